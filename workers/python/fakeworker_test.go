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

	"github.com/asteri/asteri-loop/internal/marshal"
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
	_, payload, err := readFrame(p.link, func(*header) error { return nil })
	if err != nil {
		return 1
	}
	hello, err := parseFields(payload)
	if err != nil {
		return 1
	}
	c, err := net.FileConn(os.NewFile(4, "control"))
	if err != nil {
		return 1
	}
	p.control = c.(*net.UnixConn)
	how, arg, _ := strings.Cut(hello.str("app"), "=")
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
	case "fail":
		fmt.Fprintln(os.Stderr, "about to fail")
		p.send(frameFailed, 0, 0, map[string]any{"phase": "import", "kind": "ImportError", "message": "no such thing", "traceback": "Traceback...", "hint": "do this"})
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
		if hello.num("age") > 1 {
			return 9
		}
	}
	ready["version"], ready["model"], ready["pid"] = int64(1), "sync", int64(os.Getpid())
	ready["capacity"], ready["python"] = int64(capacity), "fake"
	p.send(frameReady, 0, 0, ready)
	if hello.boolean("check") {
		return 0
	}
	go p.readControl()
	go p.readLink()
	for {
		p.mu.Lock()
		for len(p.waiting) == 0 && !p.shutdown {
			if p.probed {
				p.probed = false
				p.send(frameProbed, 0, 0, []byte{})
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
func (p *fakeProcess) send(kind frameType, flags uint8, stream int64, payload any) {
	p.link.Write(fakeFrame(kind, flags, stream, payload))
}

func fakeFrame(kind frameType, flags uint8, stream int64, payload any) []byte {
	var e marshal.Encoder
	if raw, ok := payload.([]byte); ok {
		e.Buf = raw
	} else {
		fakeValue(&e, payload)
	}
	return append(appendFrame(nil, kind, flags, uint32(stream), len(e.Buf)), e.Buf...)
}

func fakeValue(e *marshal.Encoder, v any) {
	switch v := v.(type) {
	case nil:
		e.None()
	case bool:
		e.Bool(v)
	case int:
		e.Int(int64(v))
	case int64:
		e.Int(v)
	case float64:
		e.Float(v)
	case reference:
		e.Buf = append(e.Buf, v...)
	case first:
		at := len(e.Buf)
		fakeValue(e, v.value)
		e.Buf[at] |= referred
	case string:
		e.Str(v)
	case []byte:
		e.Bytes(v)
	case []any:
		e.Tuple(len(v))
		for _, x := range v {
			fakeValue(e, x)
		}
	case fakeList:
		e.List(len(v))
		for _, x := range v {
			fakeValue(e, x)
		}
	case map[string]any:
		e.Dict()
		for k, x := range v {
			e.Str(k)
			fakeValue(e, x)
		}
		e.EndDict()
	default:
		panic(fmt.Sprintf("%T", v))
	}
}

type fakeList []any

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
		for len(pending) >= headerLen {
			h, _ := parseHeader(pending)
			if len(pending) < headerLen+h.size {
				break
			}
			p.onControl(h, pending[headerLen:headerLen+h.size])
			pending = pending[headerLen+h.size:]
		}
	}
}

func (p *fakeProcess) onControl(h header, payload []byte) {
	switch h.kind {
	case framePing:
		p.control.Write(append(appendFrame(nil, framePong, 0, 0, len(payload)), payload...))
	case frameStack:
		p.mu.Lock()
		bad := p.badStacks
		p.mu.Unlock()
		if bad {
			p.control.Write(hugeStacks())
			return
		}
		p.control.Write(fakeFrame(frameStacks, 0, 0, map[string]any{"main": "at the fake stack"}))
	case frameRecall:
		v, _ := marshal.Decode(payload)
		p.control.Write(fakeFrame(frameRecalled, 0, 0, p.recall(v.([]any))))
	case frameStop:
		os.Exit(0)
	}
}

func (p *fakeProcess) recall(streams []any) fakeList {
	p.mu.Lock()
	defer p.mu.Unlock()
	given := fakeList{}
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
		h, payload, err := readFrame(p.link, func(*header) error { return nil })
		if err != nil {
			os.Exit(0)
		}
		p.mu.Lock()
		switch h.kind {
		case frameRequests:
			v, err := marshal.Decode(payload)
			if err != nil {
				os.Exit(1)
			}
			for _, r := range v.([]any) {
				p.take(r.([]any))
			}
		case frameGrant:
			p.windows[int64(h.stream)] += int(payload[0]) | int(payload[1])<<8 | int(payload[2])<<16
		case frameBody:
			body := p.bodies[int64(h.stream)]
			if len(payload) > 0 {
				body <- payload
			}
			if h.flags != 0 {
				close(body)
			}
		case frameProbe:
			if p.probed = !p.tasks; p.tasks {
				p.send(frameProbed, 0, 0, []byte{})
			}
		case frameShutdown:
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
	p.windows[r.stream] = responseWindow
	p.bodies[r.stream] = make(chan []byte, 1000)
	p.waiting = append(p.waiting, r)
}
