package python

import (
	"bytes"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// fake is a worker in Go that can do what the real one never does. HELLO's app
// says how it boots, and each request's path what is done with it. Requests run
// one after the other; the control socket is read by a goroutine.
type fakeProcess struct {
	link    *os.File
	control *net.UnixConn

	mu        sync.Mutex
	lastRead  int64          // the last stream read
	waiting   []fakeRequest  // read and not started
	recalled  map[int64]bool // before they were read
	windows   map[int64]int
	changed   *sync.Cond
	bodies    map[int64]chan []byte
	files     chan int
	shutdown  bool
	tasks     bool // its loop goes on while requests run
	probed    bool // and what was read before is to be run first
	badStacks bool
	raws      sync.WaitGroup // calls with a raw socket, which run beside others
}

type fakeRequest struct {
	stream int64
	method string
	path   string
	query  string
	body   any
	length int64
}

// fakeWorker is the program. It returns the exit status.
func fakeWorker() int {
	p := &fakeProcess{
		link: os.NewFile(3, "link"), recalled: map[int64]bool{}, windows: map[int64]int{},
		bodies: map[int64]chan []byte{}, files: make(chan int, 16),
	}
	p.changed = sync.NewCond(&p.mu)
	anySize := func(*wire.FrameHeader) error { return nil }
	if h, _, err := wire.ReadFrame(p.link, anySize); err != nil || h.Kind != wire.FrameProgram {
		return 1
	}
	_, payload, err := wire.ReadFrame(p.link, anySize)
	if err != nil {
		return 1
	}
	value, err := marshal.Decode(payload)
	if err != nil {
		return 1
	}
	hello := value.(map[string]any)
	c, err := net.FileConn(os.NewFile(4, "control"))
	if err != nil {
		return 1
	}
	p.control = c.(*net.UnixConn)
	how, arg, _ := strings.Cut(hello["app"].(string), "=")
	capacity, ready := 1, map[string]any{"interface": "wsgi", "body": "whole"}
	switch how {
	case "ok":
		if arg != "" {
			capacity, _ = strconv.Atoi(arg)
		}
	case "stream":
		capacity, ready["interface"], ready["body"] = 100, "asgi", "stream"
	case "tasks":
		capacity, ready["interface"], ready["body"], p.tasks = 100, "asgi", "stream", true
	case "tornado":
		capacity, ready["interface"], ready["body"] = 100, "tornado", "stream"
	case "fail": // once a file exists, if one is named
		if arg != "" {
			awaitFile(arg)
		}
		fmt.Fprintln(os.Stderr, "about to fail")
		p.send(wire.FrameFailed, 0, 0, map[string]any{"phase": "import", "kind": "ImportError", "message": "no such thing", "traceback": "Traceback...", "hint": "do this"})
		return 3
	case "exit":
		fmt.Fprintln(os.Stderr, "last words")
		return 7
	case "hang":
		time.Sleep(time.Hour)
	case "garbage":
		p.link.Write(bytes.Repeat([]byte{0xff}, 100))
		time.Sleep(time.Hour)
	case "flaky": // only the first worker of the pool boots
		if hello["age"].(int64) > 1 {
			return 9
		}
	}
	ready["version"], ready["model"], ready["pid"] = int64(1), "sync", int64(os.Getpid())
	ready["capacity"], ready["python"] = int64(capacity), "fake"
	p.send(wire.FrameReady, 0, 0, ready)
	if hello["check"].(bool) {
		return 0
	}
	go p.readControl()
	go p.readLink()
	for {
		p.mu.Lock()
		for len(p.waiting) == 0 && !p.shutdown {
			if p.probed {
				p.probed = false
				p.send(wire.FrameProbed, 0, 0, []byte{})
			}
			p.changed.Wait()
		}
		if len(p.waiting) == 0 {
			p.mu.Unlock()
			p.raws.Wait()
			return 0
		}
		r := p.waiting[0]
		p.waiting = p.waiting[1:]
		p.mu.Unlock()
		p.run(r)
	}
}

// send writes a frame with a marshalled payload, or a raw one.
func (p *fakeProcess) send(kind wire.FrameType, flags uint8, stream int64, payload any) {
	p.link.Write(wiretest.Frame(kind, flags, stream, payload))
}

func (p *fakeProcess) readControl() {
	buf, oob := make([]byte, 64<<10), make([]byte, 1024)
	var pending []byte
	for {
		n, oobn, _, _, err := p.control.ReadMsgUnix(buf, oob)
		if err != nil || n == 0 {
			os.Exit(0)
		}
		if msgs, err := unix.ParseSocketControlMessage(oob[:oobn]); err == nil {
			for i := range msgs {
				fds, _ := unix.ParseUnixRights(&msgs[i])
				for _, fd := range fds {
					p.files <- fd
				}
			}
		}
		pending = append(pending, buf[:n]...)
		for len(pending) >= wire.HeaderLen {
			h, _ := wire.ParseHeader(pending)
			if len(pending) < wire.HeaderLen+h.Size {
				break
			}
			p.onControl(h, pending[wire.HeaderLen:wire.HeaderLen+h.Size])
			pending = pending[wire.HeaderLen+h.Size:]
		}
	}
}

func (p *fakeProcess) onControl(h wire.FrameHeader, payload []byte) {
	switch h.Kind {
	case wire.FramePing:
		p.control.Write(append(wire.AppendFrame(nil, wire.FramePong, 0, 0, len(payload)), payload...))
	case wire.FrameStack:
		p.mu.Lock()
		bad := p.badStacks
		p.mu.Unlock()
		if bad {
			p.control.Write(wiretest.HugeStacks())
			return
		}
		p.control.Write(wiretest.Frame(wire.FrameStacks, 0, 0, map[string]any{"main": "at the fake stack"}))
	case wire.FrameRecall:
		v, _ := marshal.Decode(payload)
		p.control.Write(wiretest.Frame(wire.FrameRecalled, 0, 0, p.recall(v.([]any))))
	case wire.FrameStop:
		os.Exit(0)
	}
}

func (p *fakeProcess) recall(streams []any) wiretest.List {
	p.mu.Lock()
	defer p.mu.Unlock()
	given := wiretest.List{}
	for _, s := range streams {
		id := s.(int64)
		if id > p.lastRead {
			p.recalled[id] = true
			given = append(given, id)
			continue
		}
		for i, r := range p.waiting {
			if r.stream == id {
				p.waiting = append(p.waiting[:i:i], p.waiting[i+1:]...)
				given = append(given, id)
				break
			}
		}
	}
	return given
}

func (p *fakeProcess) readLink() {
	for {
		h, payload, err := wire.ReadFrame(p.link, func(*wire.FrameHeader) error { return nil })
		if err != nil {
			os.Exit(0)
		}
		p.mu.Lock()
		switch h.Kind {
		case wire.FrameRequests:
			v, err := marshal.Decode(payload)
			if err != nil {
				os.Exit(1)
			}
			for _, r := range v.([]any) {
				p.take(r.([]any))
			}
		case wire.FrameGrant:
			p.windows[int64(h.Stream)] += int(payload[0]) | int(payload[1])<<8 | int(payload[2])<<16
		case wire.FrameBody:
			body := p.bodies[int64(h.Stream)]
			if len(payload) > 0 {
				body <- payload
			}
			if h.Flags != 0 {
				close(body)
			}
		case wire.FrameProbe:
			if p.probed = !p.tasks; p.tasks {
				p.send(wire.FrameProbed, 0, 0, []byte{})
			}
		case wire.FrameShutdown:
			p.shutdown = true
		}
		p.changed.Broadcast()
		p.mu.Unlock()
	}
}

func (p *fakeProcess) take(f []any) {
	r := fakeRequest{stream: f[0].(int64), method: f[1].(string), path: string(f[4].([]byte)), body: f[9], length: f[10].(int64)}
	switch q := f[5].(type) {
	case string:
		r.query = q
	case []byte:
		r.query = string(q)
	}
	p.lastRead = r.stream
	if p.recalled[r.stream] {
		return
	}
	p.windows[r.stream] = wire.ResponseWindow
	p.bodies[r.stream] = make(chan []byte, 1000)
	p.waiting = append(p.waiting, r)
}

// awaitFile waits until a test has made a file.
func awaitFile(path string) {
	for {
		if _, err := os.Stat(path); err == nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}
