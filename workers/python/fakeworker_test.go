package python

import (
	"bytes"
	"fmt"
	"io"
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

	mu       sync.Mutex
	lastRead int64          // the last stream read
	waiting  []fakeRequest  // read and not started
	recalled map[int64]bool // before they were read
	windows  map[int64]int
	changed  *sync.Cond
	bodies   map[int64]chan []byte
	files    chan int
	shutdown bool
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
	_, payload, err := readFrame(p.link)
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
			p.changed.Wait()
		}
		if len(p.waiting) == 0 {
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
		h, payload, err := readFrame(p.link)
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

func (p *fakeProcess) answer(r fakeRequest, status int, body string) {
	p.send(frameAnswers, 0, 0, fakeList{[]any{r.stream, status, []any{"Content-Type", "text/plain", "X-Pid", strconv.Itoa(os.Getpid())}, []byte(body)}})
}

func (p *fakeProcess) start(r fakeRequest, headers ...any) {
	p.send(frameStart, 0, r.stream, []any{200, headers})
}

// run does what the path says.
func (p *fakeProcess) run(r fakeRequest) {
	n, _ := strconv.Atoi(r.query)
	done := func() { p.send(frameDone, 0, r.stream, []byte{}) }
	switch r.path {
	case "/die":
		os.Exit(9)
	case "/sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
		p.answer(r, 200, "slept")
	case "/gate": // waits until a file exists
		for {
			if _, err := os.Stat(r.query); err == nil {
				break
			}
			time.Sleep(time.Millisecond)
		}
		p.answer(r, 200, "passed")
	case "/hang":
		time.Sleep(time.Hour)
	case "/body":
		p.readBody(r)
	case "/half":
		p.start(r, "Content-Length", "1000")
		p.send(frameData, 0, r.stream, make([]byte, 500))
		os.Exit(9)
	case "/stream":
		p.start(r)
		p.stream(r, n)
		done()
	case "/file":
		p.start(r)
		p.sendFile(r, n)
		done()
	case "/spooled": // DATA, a file, and DATA again
		p.start(r)
		p.data(r, n, 0)
		p.sendFile(r, n)
		p.data(r, 5, flagEnd)
		done()
	case "/error":
		p.send(frameError, 0, r.stream, []any{"ValueError: broken", "Traceback (fake)"})
		done()
	case "/abort":
		p.start(r)
		p.data(r, 10, 0)
		p.send(frameAbort, 0, r.stream, []any{"it broke"})
		done()
	case "/nothing":
		done()
	case "/cut":
		p.start(r)
		p.data(r, 10, 0)
		done()
	case "/linger":
		p.send(frameAnswers, 0, 0, fakeList{[]any{r.stream, 200, []any{}, []byte("lingers"), true}})
		time.Sleep(time.Duration(n) * time.Millisecond)
		done()
	case "/trailers":
		p.send(frameInform, 0, r.stream, []any{103, []any{"Link", "</a.css>"}})
		p.start(r, "Trailer", "X-Sum")
		p.data(r, 10, 0)
		p.send(frameTrailers, 0, r.stream, []any{[]byte("X-Sum"), []byte("10")})
		done()
	case "/header":
		p.send(frameAnswers, 0, 0, fakeList{[]any{r.stream, 200, fakeHeader(r.query), []byte("body")}})
	case "/violate":
		p.violate(r)
		time.Sleep(time.Hour)
	case "/eof":
		unix.Shutdown(3, unix.SHUT_RDWR)
		time.Sleep(time.Hour)
	case "/stop":
		unix.Kill(os.Getpid(), unix.SIGSTOP)
		time.Sleep(time.Hour)
	default:
		p.answer(r, 200, "hello")
	}
}

func fakeHeader(what string) []any {
	switch what {
	case "short":
		return []any{"Content-Length", "10"}
	case "long":
		return []any{"Content-Length", "2"}
	case "right":
		return []any{"content-length", "4", "X", "y"}
	case "hop":
		return []any{"Connection", "close", "Keep-Alive", "x", "Proxy-Connection", "x", "Transfer-Encoding", "chunked", "X", "y"}
	case "latin1":
		return []any{"X", "caf\u00e9", []byte("Y"), []byte("raw\xff")}
	case "wide":
		return []any{"X", "\u65e5"}
	case "split":
		return []any{"X", "a\r\nSet-Cookie: b"}
	case "number":
		return []any{"X", 5}
	}
	return []any{}
}

func (p *fakeProcess) violate(r fakeRequest) {
	switch r.query {
	case "type":
		p.send(250, 0, r.stream, []byte{})
	case "length":
		p.link.Write(bytes.Repeat([]byte{0xff}, headerLen))
	case "stream":
		p.send(frameStart, 0, 12345, []any{200, []any{}})
	case "marshal":
		p.send(frameAnswers, 0, 0, []byte("no marshal"))
	case "shape":
		p.send(frameAnswers, 0, 0, fakeList{[]any{r.stream, "200", []any{}, []byte{}}})
	case "twice":
		p.start(r)
		p.start(r)
	case "early":
		p.send(frameData, 0, r.stream, []byte("x"))
	case "window":
		p.start(r)
		p.send(frameData, 0, r.stream, make([]byte, responseWindow+1))
	case "nofile":
		p.start(r)
		p.send(frameFile, 0, r.stream, []any{nil, 0, -1})
	case "control":
		p.control.Write(bytes.Repeat([]byte{1}, 64))
	}
}

// data sends n bytes of a response within the window.
func (p *fakeProcess) data(r fakeRequest, n int, flags uint8) {
	for sent := 0; ; {
		piece := min(n-sent, 50_000)
		p.mu.Lock()
		for p.windows[r.stream] < piece {
			p.changed.Wait()
		}
		p.windows[r.stream] -= piece
		p.mu.Unlock()
		sent += piece
		last := uint8(0)
		if sent == n {
			last = flags
		}
		p.send(frameData, last, r.stream, bytes.Repeat([]byte("d"), piece))
		if sent == n {
			return
		}
	}
}

func (p *fakeProcess) stream(r fakeRequest, n int) { p.data(r, n, flagEnd) }

func (p *fakeProcess) sendFile(r fakeRequest, n int) {
	f, err := os.CreateTemp("", "fake")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	f.Write([]byte("skipped"))
	f.Write(bytes.Repeat([]byte("f"), n))
	p.control.WriteMsgUnix(fakeFrame(frameFD, 0, 0, r.stream), unix.UnixRights(int(f.Fd())), nil)
	f.Close()
	flags, count := uint8(flagEnd), -1
	if r.path == "/spooled" {
		flags, count = 0, n
	}
	p.send(frameFile, flags, r.stream, []any{nil, 7, count})
}

// readBody answers with how the body came, and its length.
func (p *fakeProcess) readBody(r fakeRequest) {
	switch b := r.body.(type) {
	case []byte:
		p.answer(r, 200, fmt.Sprintf("inline %d %d", len(b), r.length))
	case int64:
		f := os.NewFile(uintptr(<-p.files), "body")
		data, _ := io.ReadAll(f)
		f.Close()
		p.answer(r, 200, fmt.Sprintf("file %d %d %d", b, len(data), r.length))
	case nil:
		p.mu.Lock()
		body := p.bodies[r.stream]
		p.mu.Unlock()
		total := 0
		for piece := range body {
			total += len(piece)
			n := len(piece)
			p.send(frameWindow, 0, r.stream, []byte{byte(n), byte(n >> 8), byte(n >> 16), 0})
		}
		p.answer(r, 200, fmt.Sprintf("streamed %d %d", total, r.length))
	}
}
