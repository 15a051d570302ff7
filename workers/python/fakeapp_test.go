package python

import (
	"bytes"
	"fmt"
	"io"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// What the fake worker does with requests.

func (p *fakeProcess) answer(r fakeRequest, status int, body string) {
	p.send(wire.FrameAnswers, 0, 0, wiretest.List{[]any{r.stream, status, []any{"Content-Type", "text/plain", "X-Pid", strconv.Itoa(os.Getpid())}, []byte(body)}})
}

func (p *fakeProcess) start(r fakeRequest, headers ...any) {
	p.send(wire.FrameStart, 0, r.stream, []any{200, headers})
}

// killed ends the process from outside, as far as anybody can tell.
func (p *fakeProcess) killed() {
	_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
	time.Sleep(time.Hour)
}

// begins tells the test, if it asked by a file's name, that it has begun with a request.
func (p *fakeProcess) begins(r fakeRequest) {
	if filepath.IsAbs(r.query) {
		_ = os.WriteFile(r.query+begunFile, nil, 0o600)
	}
}

// run does what the path says.
func (p *fakeProcess) run(r fakeRequest) {
	n, _ := strconv.Atoi(r.query)
	done := func() { p.send(wire.FrameDone, 0, r.stream, []byte{}) }
	switch r.path {
	case "/die":
		os.Exit(9)
	case "/killed":
		p.killed()
	case "/crash": // when a file exists
		for {
			if _, err := os.Stat(r.query); err == nil {
				os.Exit(9)
			}
			time.Sleep(time.Millisecond)
		}
	case "/sleep":
		time.Sleep(time.Duration(n) * time.Millisecond)
		p.answer(r, 200, "slept")
	case "/say":
		p.answer(r, 200, r.query)
	case "/gate": // waits until a file exists
		p.begins(r)
		awaitFile(r.query)
		p.answer(r, 200, "passed")
	case "/hang":
		p.begins(r)
		time.Sleep(time.Hour)
	case "/body":
		p.readBody(r)
	case "/half":
		p.start(r, "Content-Length", "1000")
		p.send(wire.FrameData, 0, r.stream, make([]byte, 500))
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
		p.data(r, 5, wire.FlagEnd)
		done()
	case "/error":
		p.send(wire.FrameError, 0, r.stream, []any{"ValueError: broken", "Traceback (fake)"})
		done()
	case "/abort":
		p.start(r)
		p.data(r, 10, 0)
		p.send(wire.FrameAbort, 0, r.stream, []any{"it broke", "Traceback (fake)"})
		done()
	case "/nothing":
		done()
	case "/cut":
		p.start(r)
		p.data(r, 10, 0)
		done()
	case "/linger":
		p.send(wire.FrameAnswers, 0, 0, wiretest.List{[]any{r.stream, 200, []any{}, []byte("lingers"), true}})
		time.Sleep(time.Duration(n) * time.Millisecond)
		done()
	case "/trailers":
		p.send(wire.FrameInform, 0, r.stream, []any{103, []any{"Link", "</a.css>"}})
		p.start(r, "Trailer", "X-Sum")
		p.data(r, 10, 0)
		p.send(wire.FrameTrailers, 0, r.stream, []any{[]byte("X-Sum"), []byte("10")})
		done()
	case "/header":
		p.send(wire.FrameAnswers, 0, 0, wiretest.List{[]any{r.stream, 200, fakeHeader(r.query), []byte("body")}})
	case "/violate":
		p.violate(r)
		time.Sleep(time.Hour)
	case "/hostile":
		r.query, _ = url.QueryUnescape(r.query)
		p.hostile(r)
	case "/socket":
		p.socket(r)
	case "/raw":
		p.startRaw(r)
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
		p.link.Write(bytes.Repeat([]byte{0xff}, wire.HeaderLen))
	case "stream":
		p.send(wire.FrameStart, 0, 12345, []any{200, []any{}})
	case "marshal":
		p.send(wire.FrameAnswers, 0, 0, []byte("no marshal"))
	case "shape":
		p.send(wire.FrameAnswers, 0, 0, wiretest.List{[]any{r.stream, "200", []any{}, []byte{}}})
	case "twice":
		p.start(r)
		p.start(r)
	case "early":
		p.send(wire.FrameData, 0, r.stream, []byte("x"))
	case "window":
		p.start(r)
		p.send(wire.FrameData, 0, r.stream, make([]byte, wire.ResponseWindow+1))
	case "nofile":
		p.start(r)
		p.send(wire.FrameFile, 0, r.stream, []any{nil, 0, -1})
	case "control":
		p.control.Write(bytes.Repeat([]byte{1}, 64))
	case "metrics":
		p.control.Write(wiretest.Frame(wire.FrameMetrics, 0, 0, wiretest.List{1, 2, 3}))
	case "memory":
		p.control.Write(wiretest.Frame(wire.FrameMemory, 0, 0, wiretest.List{[]any{"GET"}}))
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
		p.send(wire.FrameData, last, r.stream, bytes.Repeat([]byte("d"), piece))
		if sent == n {
			return
		}
	}
}

func (p *fakeProcess) stream(r fakeRequest, n int) { p.data(r, n, wire.FlagEnd) }

func (p *fakeProcess) sendFile(r fakeRequest, n int) {
	f, err := os.CreateTemp("", "fake")
	if err != nil {
		panic(err)
	}
	os.Remove(f.Name())
	f.Write([]byte("skipped"))
	f.Write(bytes.Repeat([]byte("f"), n))
	p.control.WriteMsgUnix(wiretest.Frame(wire.FrameFD, 0, 0, r.stream), unix.UnixRights(int(f.Fd())), nil)
	f.Close()
	flags, count := uint8(wire.FlagEnd), -1
	if r.path == "/spooled" {
		flags, count = 0, n
	}
	p.send(wire.FrameFile, flags, r.stream, []any{nil, 7, count})
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
			p.send(wire.FrameWindow, 0, r.stream, []byte{byte(n), byte(n >> 8), byte(n >> 16), 0})
		}
		p.answer(r, 200, fmt.Sprintf("streamed %d %d", total, r.length))
	}
}
