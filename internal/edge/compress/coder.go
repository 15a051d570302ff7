package compress

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"sync"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/asteri/asteri-loop/internal/edge/accept"
)

// Coding is a content coding and how hard it tries.
type Coding struct {
	accept.Coding
	// Level is from 1, or 0 for brotli, to 9 (gzip), 22 (zstd) or 11 (brotli).
	Level int
}

// levels are the bounds of levels, and the one that is used if none is given: a
// response is coded for one client, so that speed counts.
var levels = map[accept.Coding]struct{ low, high, usual int }{
	accept.Gzip:   {1, 9, 5},
	accept.Zstd:   {1, 22, 1},
	accept.Brotli: {0, 11, 4},
}

// ParseCoding parses the name of a coding, perhaps with a level: "gzip", "br:5".
func ParseCoding(s string) (Coding, error) {
	name, level, given := strings.Cut(s, ":")
	c, ok := accept.Parse(name)
	bounds, known := levels[c]
	if !ok || !known {
		return Coding{}, fmt.Errorf("must be gzip, zstd or br, perhaps with a level (br:5)")
	}
	if !given {
		return Coding{c, bounds.usual}, nil
	}
	n, err := strconv.Atoi(level)
	if err != nil || n < bounds.low || n > bounds.high {
		return Coding{}, fmt.Errorf("the level of %s must be from %d to %d", name, bounds.low, bounds.high)
	}
	return Coding{c, n}, nil
}

// windowSize is how far back encoders look, in bytes: enough for pages, and
// little memory for encoder and client.
const (
	windowSize    = 128 << 10
	brotliLogSize = 17
)

// encoder is what the libraries' encoders have in common.
type encoder interface {
	io.WriteCloser
	Flush() error
	Reset(to io.Writer)
}

// coder is an encoder and what comes out of it.
type coder struct {
	encoder
	from    *coders
	out     []byte
	scratch []byte // for reading files; nil until needed
}

// sink appends to a coder's output.
type sink struct{ *coder }

func (s sink) Write(p []byte) (int, error) {
	s.out = append(s.out, p...)
	return len(p), nil
}

// coders keeps coders of one coding, until the garbage collector wants their
// memory.
type coders struct {
	coding accept.Coding
	inline int // see inlineBytes
	idle   sync.Pool
}

// inlineBytes is how much content is coded on the executor in one turn. It takes
// well under a millisecond at usual levels.
func inlineBytes(c Coding) int {
	switch {
	case c.Coding == accept.Zstd && c.Level <= 2:
		return 48 << 10
	case c.Coding == accept.Gzip && c.Level <= 6:
		return 16 << 10
	case c.Coding == accept.Brotli && c.Level <= 4:
		return 6 << 10
	}
	return 2 << 10
}

func newCoders(c Coding) (*coders, error) {
	if _, err := newEncoder(c); err != nil {
		return nil, fmt.Errorf("compression: %w", err)
	}
	p := &coders{coding: c.Coding, inline: inlineBytes(c)}
	p.idle.New = func() any {
		e, err := newEncoder(c)
		if err != nil { // it went well before
			panic(err)
		}
		return &coder{encoder: e, from: p}
	}
	return p, nil
}

func newEncoder(c Coding) (encoder, error) {
	switch c.Coding {
	case accept.Gzip:
		return gzip.NewWriterLevel(io.Discard, c.Level)
	case accept.Zstd:
		return zstd.NewWriter(io.Discard, zstd.WithEncoderLevel(zstd.EncoderLevelFromZstd(c.Level)),
			zstd.WithEncoderConcurrency(1), zstd.WithWindowSize(windowSize), zstd.WithLowerEncoderMem(true))
	case accept.Brotli:
		return brotli.NewWriterOptions(io.Discard, brotli.WriterOptions{Quality: c.Level, LGWin: brotliLogSize}), nil
	}
	return nil, fmt.Errorf("no encoder for %s", c.Coding)
}

// get returns a coder at the start of its output.
func (p *coders) get() *coder {
	c := p.idle.Get().(*coder)
	c.Reset(sink{c})
	return c
}

// keptOutput bounds the buffer that an idle coder keeps.
const keptOutput = 64 << 10

func (p *coders) put(c *coder) {
	c.out = c.out[:0]
	if cap(c.out) > keptOutput {
		c.out = nil
	}
	p.idle.Put(c)
}
