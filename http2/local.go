package http2

import (
	"encoding/binary"

	"github.com/asteri/asteri-loop/internal/protocol/exchange"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/loop"
)

// local is what the sessions of one protocol on one loop share. It belongs to the
// loop's goroutine.
type local struct {
	*exchange.Local
	config *Config
	hello  []byte      // what a connection begins with: SETTINGS and its window
	tight  func() bool // memory is short

	section exchange.Section
	again   again
	tables  uint64 // how many have been named
	batch   []byte // frames of the session that is within OnData
	scratch []byte // frames of any other
	streams []*serverStream
	blocks  []*headerBlock
}

// maxSpare bounds how many streams and header blocks are kept for reuse, with 1 kB for
// itself and the memory of its fields each; maxSpareBytes the memory of a buffer that is.
const (
	maxSpare      = 256
	maxSpareBytes = 64 << 10
)

func newLocal(p *protocol, l *loop.Loop) *local {
	return &local{
		Local:   exchange.NewLocal(&p.settings, l),
		section: exchange.NewSection(&p.settings),
		config:  &p.config,
		hello:   appendHello(nil, &p.config, p.settings.Limits.Head),
		tight:   l.Budget().Tight,
	}
}

// The settings that are sent or read, RFC 9113 section 6.5.2, RFC 8441 section 3,
// RFC 9218 section 2.1.
const (
	settingHeaderTableSize      = 0x1
	settingEnablePush           = 0x2
	settingMaxConcurrentStreams = 0x3
	settingInitialWindowSize    = 0x4
	settingMaxFrameSize         = 0x5
	settingMaxHeaderListSize    = 0x6
	settingEnableConnect        = 0x8
	settingNoOldPriorities      = 0x9
)

// appendHello appends the server's connection preface.
func appendHello(b []byte, c *Config, headLimit int) []byte {
	settings := []struct {
		id    uint16
		value int
	}{
		{settingMaxConcurrentStreams, c.MaxConcurrentStreams},
		{settingInitialWindowSize, c.InitialWindow},
		{settingMaxFrameSize, c.MaxFrameSize},
		{settingMaxHeaderListSize, min(headLimit, 1<<31-1)},
		{settingEnableConnect, 1},
		{settingNoOldPriorities, 1},
	}
	b = appendFrameHeader(b, 6*len(settings), frameSettings, 0, 0)
	for _, s := range settings {
		b = binary.BigEndian.AppendUint16(b, s.id)
		b = binary.BigEndian.AppendUint32(b, uint32(s.value))
	}
	if more := c.ConnectionWindow - defaultWindow; more > 0 {
		b = appendWindowUpdate(b, 0, more)
	}
	return b
}

// nameTable returns a name for the content of a decoder's table that no other has had.
func (at *local) nameTable() uint64 {
	at.tables++
	return at.tables
}

func (at *local) takeStream() *serverStream {
	n := len(at.streams)
	if n == 0 {
		return new(serverStream)
	}
	st := at.streams[n-1]
	at.streams = at.streams[:n-1]
	return st
}

// putStream takes back a stream that nobody else refers to.
func (at *local) putStream(st *serverStream) {
	if st.x.Retire() && len(at.streams) < maxSpare {
		at.streams = append(at.streams, st)
	}
}

func (at *local) takeBlock() *headerBlock {
	n := len(at.blocks)
	if n == 0 {
		b := &headerBlock{head: new(httpfield.RequestHead)}
		b.add = b.head.Add
		return b
	}
	b := at.blocks[n-1]
	at.blocks = at.blocks[:n-1]
	return b
}

func (at *local) putBlock(b *headerBlock) {
	if len(at.blocks) < maxSpare {
		*b = headerBlock{head: b.head, add: b.add}
		at.blocks = append(at.blocks, b)
	}
}
