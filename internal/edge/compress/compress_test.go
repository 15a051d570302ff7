package compress

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/andybalholm/brotli"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// decode undoes a coding. It returns what there is also of a stream that is not
// complete.
func decode(t testing.TB, coding string, p []byte) ([]byte, error) {
	t.Helper()
	var r io.Reader = bytes.NewReader(p)
	switch coding {
	case "gzip":
		g, err := gzip.NewReader(r)
		if err != nil {
			return nil, err
		}
		r = g
	case "zstd":
		z, err := zstd.NewReader(r)
		if err != nil {
			return nil, err
		}
		defer z.Close()
		r = z
	case "br":
		r = brotli.NewReader(r)
	}
	return io.ReadAll(r)
}

// compressor makes a handler that knows all codings.
func compressor(t testing.TB, next asteri.HandlerFunc) *handler {
	t.Helper()
	var o Options
	for _, name := range []string{"zstd", "br", "gzip"} {
		c, err := ParseCoding(name)
		if err != nil {
			t.Fatal(err)
		}
		o.Codings = append(o.Codings, c)
	}
	o.MinLength = 1000
	h, err := New(next, o)
	if err != nil {
		t.Fatal(err)
	}
	return h.(*handler)
}

func request(method string, fields ...string) asteri.Request {
	r := asteri.Request{Method: method}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

func fields(list ...string) *asteri.Header {
	h := new(asteri.Header)
	for _, f := range list {
		name, value, _ := strings.Cut(f, ": ")
		h.Add(name, value)
	}
	return h
}

func text(n int) []byte {
	var b []byte
	for i := 0; len(b) < n; i++ {
		b = fmt.Appendf(b, "line %d of some text that says %d\n", i, i*i%977)
	}
	return b[:n]
}

var sizes = []int{1000, 5000, 70_000, 400_000}

// ways are ways to answer with content of a known type.
var ways = map[string]func(t testing.TB, x asteri.Exchange, content []byte){
	"respond": func(_ testing.TB, x asteri.Exchange, content []byte) {
		_ = x.Respond(200, fields("Content-Type: text/plain"), content)
	},
	"start and length": func(_ testing.TB, x asteri.Exchange, content []byte) {
		_ = x.Start(200, fields("Content-Type: text/plain", fmt.Sprintf("Content-Length: %d", len(content))))
		_, _ = x.Write(content)
		_ = x.Finish(nil)
	},
	"pieces": func(_ testing.TB, x asteri.Exchange, content []byte) {
		_ = x.Start(200, fields("Content-Type: text/plain"))
		for p := range bytes.SplitAfterSeq(content, []byte("7")) {
			_, _ = x.Write(p)
		}
		_ = x.Finish(fields("Checked: yes"))
	},
	"later": func(_ testing.TB, x asteri.Exchange, content []byte) {
		rest := content
		var step func()
		step = func() {
			if len(rest) == 0 {
				_ = x.Finish(nil)
				return
			}
			n := min(len(rest), 20_000)
			queued, err := x.Write(rest[:n])
			rest = rest[n:]
			switch {
			case err != nil:
			case queued >= asteri.HighWater:
				x.OnDrain(step)
			default:
				x.Post(step)
			}
		}
		x.Post(func() {
			_ = x.Start(200, fields("Content-Type: text/plain"))
			step()
		})
	},
	"file": func(t testing.TB, x asteri.Exchange, content []byte) {
		path := filepath.Join(t.TempDir(), "f")
		if err := os.WriteFile(path, content, 0o600); err != nil {
			t.Error(err)
		}
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		_ = x.Start(200, fields("Content-Type: text/plain", fmt.Sprintf("Content-Length: %d", len(content))))
		_ = x.SendFile(f, 0, int64(len(content)))
		_ = x.Finish(nil)
	},
}

func TestContentArrivesWhole(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	for _, coding := range []string{"gzip", "zstd", "br"} {
		for way, answer := range ways {
			for _, n := range sizes {
				content := text(n)
				h := compressor(t, func(x asteri.Exchange) { answer(t, x, content) })
				r := exchangetest.New(t, e, request("GET", "Accept-Encoding: "+coding)).Answer(h)
				got, err := decode(t, coding, r.Body)
				if r.Status != 200 || r.Err != nil || err != nil || !bytes.Equal(got, content) {
					t.Errorf("%s, %s of %d: %d, %v, %v, %d bytes", coding, way, n, r.Status, r.Err, err, len(got))
				}
				if len(r.Body) > n*2/3 {
					t.Errorf("%s, %s of %d: %d bytes", coding, way, n, len(r.Body))
				}
				if string(r.Header.Get("Content-Encoding")) != coding || string(r.Header.Get("Vary")) != "Accept-Encoding" {
					t.Errorf("%s, %s: %v", coding, way, r.Header.Fields())
				}
				if l := r.Header.Get("Content-Length"); l != nil && string(l) != fmt.Sprint(len(r.Body)) {
					t.Errorf("%s, %s: Content-Length %s of %d", coding, way, l, len(r.Body))
				}
				if way == "pieces" && !r.Trailer.Has("Checked") {
					t.Errorf("%s, %s of %d: no trailer", coding, way, n)
				}
				e.Do(func() {}) // what was given back has been
				if n := h.bodies.Load(); n != 0 {
					t.Errorf("%s, %s: %d bodies are left", coding, way, n)
				}
			}
		}
	}
}

func TestWhatIsCompressed(t *testing.T) {
	const accepts = "Accept-Encoding: gzip"
	long := string(text(2000))
	for _, c := range []struct {
		name    string
		request []string
		status  int
		fields  []string
		body    string
		coding  string
		vary    string
	}{
		{"a page", []string{accepts}, 200, []string{"Content-Type: text/html; charset=utf-8"}, long, "gzip", "Accept-Encoding"},
		{"an error page", []string{accepts}, 500, []string{"Content-Type: text/html"}, long, "gzip", "Accept-Encoding"},
		{"a client that says nothing", nil, 200, []string{"Content-Type: text/html"}, long, "", "Accept-Encoding"},
		{"a client that refuses", []string{"Accept-Encoding: gzip;q=0"}, 200, []string{"Content-Type: text/html"}, long, "", "Accept-Encoding"},
		{"other Vary", []string{accepts}, 200, []string{"Content-Type: text/html", "Vary: Cookie"}, long, "gzip", "Cookie, Accept-Encoding"},
		{"same Vary", []string{accepts}, 200, []string{"Content-Type: text/html", "Vary: Cookie, accept-encoding"}, long, "gzip", "Cookie, accept-encoding"},
		{"any Vary", []string{accepts}, 200, []string{"Content-Type: text/html", "Vary: *"}, long, "gzip", "*"},
		{"short", []string{accepts}, 200, []string{"Content-Type: text/html"}, "short", "", ""},
		{"an image", []string{accepts}, 200, []string{"Content-Type: image/png"}, long, "", ""},
		{"no type", []string{accepts}, 200, nil, long, "", ""},
		{"coded already", []string{accepts}, 200, []string{"Content-Type: text/html", "Content-Encoding: br"}, long, "br", ""},
		{"no-transform", []string{accepts}, 200, []string{"Content-Type: text/html", "Cache-Control: public, no-transform"}, long, "", ""},
		{"a digest", []string{accepts}, 200, []string{"Content-Type: text/html", "Repr-Digest: sha-256=:x:"}, long, "", ""},
		{"a part", []string{accepts}, 206, []string{"Content-Type: text/html", "Content-Range: bytes 0-1999/3000"}, long, "", "Accept-Encoding"},
		{"no content", []string{accepts}, 204, []string{"Content-Type: text/html"}, "", "", ""},
		{"not modified", []string{accepts}, 304, []string{"Content-Type: text/html"}, "", "", ""},
	} {
		for _, method := range []string{"GET", "HEAD"} {
			e := exchangetest.NewExecutor(t)
			h := compressor(t, func(x asteri.Exchange) { _ = x.Respond(c.status, fields(c.fields...), []byte(c.body)) })
			r := exchangetest.New(t, e, request(method, c.request...)).Answer(h)
			var vary []string
			for v := range r.Header.Values("Vary") {
				vary = append(vary, string(v))
			}
			if r.Status != c.status || string(r.Header.Get("Content-Encoding")) != c.coding || strings.Join(vary, ", ") != c.vary {
				t.Errorf("%s, %s: %d, %v", c.name, method, r.Status, r.Header.Fields())
			}
			if c.coding == "" && method == "GET" && string(r.Body) != c.body {
				t.Errorf("%s: %d bytes of %d", c.name, len(r.Body), len(c.body))
			}
		}
	}
	e := exchangetest.NewExecutor(t)
	old := request("GET", accepts)
	old.Proto = asteri.HTTP10
	h := compressor(t, func(x asteri.Exchange) { _ = x.Respond(200, fields("Content-Type: text/html"), []byte(long)) })
	if r := exchangetest.New(t, e, old).Answer(h); r.Header.Has("Content-Encoding") {
		t.Error("HTTP/1.0 gets content of unknown length")
	}
}

func TestTypesThatAreAskedFor(t *testing.T) {
	h := &handler{types: []string{"text/*", "application/x-own"}}
	for name, want := range map[string]bool{
		"text/html; charset=x": true, "Application/X-Own": true, "application/json": false, "": false, "image/png": false,
	} {
		if h.compressible([]byte(name)) != want {
			t.Errorf("%q: want %t", name, want)
		}
	}
}

func TestEntityTags(t *testing.T) {
	for _, c := range []struct {
		status             int
		tag, asked, expect string
	}{
		{200, `"a"`, "", `W/"a"`},
		{200, `W/"a"`, "", `W/"a"`},
		{304, `"a"`, `W/"a"`, `W/"a"`},
		{304, `"a"`, `"x", W/"a"`, `W/"a"`},
		{304, `"a"`, `"a"`, `"a"`},
		{304, `W/"a"`, `W/"a"`, `W/"a"`},
	} {
		e := exchangetest.NewExecutor(t)
		h := compressor(t, func(x asteri.Exchange) {
			head := fields("ETag: " + c.tag)
			if c.status == 304 {
				_ = x.Respond(304, head, nil)
				return
			}
			head.Add("Content-Type", "text/css")
			head.Add("Accept-Ranges", "bytes")
			_ = x.Respond(200, head, text(2000))
		})
		r := exchangetest.New(t, e, request("GET", "Accept-Encoding: br", "If-None-Match: "+c.asked)).Answer(h)
		if got := string(r.Header.Get("ETag")); got != c.expect || r.Header.Has("Accept-Ranges") {
			t.Errorf("%d with %s for %q: %s", c.status, c.tag, c.asked, got)
		}
		if c.status == 304 && c.expect != c.tag && !r.Header.Has("Vary") {
			t.Errorf("304 for %q without Vary", c.asked)
		}
	}
}

func TestEventsAreSentAtOnce(t *testing.T) {
	for _, coding := range []string{"gzip", "zstd", "br"} {
		e := exchangetest.NewExecutor(t)
		var written []int // bytes below after each event
		h := compressor(t, func(x asteri.Exchange) {
			below := x.(*exchange).Exchange
			_ = x.Start(200, fields("Content-Type: text/event-stream"))
			for i := range 3 {
				_, _ = x.Write(fmt.Appendf(nil, "data: %d\n\n", i))
				n, _ := below.Write(nil)
				written = append(written, n)
			}
			x.OnCancel(func(error) {})
		})
		x := exchangetest.New(t, e, request("GET", "Accept-Encoding: "+coding))
		x.Hold()
		x.Serve(h)
		for i := 1; i < len(written); i++ {
			if written[i] <= written[i-1] {
				t.Errorf("%s: event %d was held back: %v", coding, i, written)
			}
		}
		x.Cancel(asteri.ErrClientGone)
		if n := h.bodies.Load(); n != 0 {
			t.Errorf("%s: %d bodies are left", coding, n)
		}
	}
}

func TestWhatATurnWroteIsSent(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	var own asteri.Exchange
	h := compressor(t, func(x asteri.Exchange) {
		own = x
		_ = x.Start(200, fields("Content-Type: text/html"))
		_, _ = x.Write([]byte("first "))
	})
	x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
	x.Serve(h)
	sent := func() string {
		got, _ := decode(t, "gzip", x.Content())
		return string(got)
	}
	if got := sent(); got != "first " {
		t.Errorf("after the first turn: %q", got)
	}
	e.Do(func() {
		_, _ = own.Write([]byte("second "))
		_, _ = own.Write([]byte("third"))
	})
	exchangetest.Eventually(t, "the second turn's content is sent", func() bool { return sent() == "first second third" })
	e.Do(func() { _ = own.Finish(nil) })
	if got, err := decode(t, "gzip", x.Wait().Body); err != nil || string(got) != "first second third" {
		t.Errorf("in the end: %q, %v", got, err)
	}
}

func TestWrongLengths(t *testing.T) {
	for name, c := range map[string]struct {
		announced, written int
		want               string
	}{"less": {5000, 4000, "less"}, "more": {5000, 6000, "more"}} {
		e := exchangetest.NewExecutor(t)
		var err error
		h := compressor(t, func(x asteri.Exchange) {
			_ = x.Start(200, fields("Content-Type: text/html", fmt.Sprintf("Content-Length: %d", c.announced)))
			_, writeErr := x.Write(text(c.written))
			err = errors.Join(writeErr, x.Finish(nil))
		})
		r := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip")).Answer(h)
		var mistake *asteri.ResponseError
		if !errors.As(err, &mistake) || !strings.Contains(mistake.Reason, c.want) || r.Err == nil {
			t.Errorf("%s: handler got %v, client %v", name, err, r.Err)
		}
		if n := h.bodies.Load(); n != 0 {
			t.Errorf("%s: %d bodies are left", name, n)
		}
	}
	e := exchangetest.NewExecutor(t)
	h := compressor(t, func(x asteri.Exchange) {
		if err := x.Start(200, fields("Content-Type: text/html", "Content-Length: 5000", "Content-Length: 5000")); err == nil {
			t.Error("two Content-Lengths pass")
		}
		x.Abort(errors.New("as it should"))
	})
	exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip")).Answer(h)
}

func TestFileThatShrinks(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, text(100_000), 0o600); err != nil {
		t.Fatal(err)
	}
	e := exchangetest.NewExecutor(t)
	h := compressor(t, func(x asteri.Exchange) {
		f, err := os.Open(path)
		if err != nil {
			t.Error(err)
		}
		_ = x.Start(200, fields("Content-Type: text/html", "Content-Length: 200000"))
		_ = x.SendFile(f, 0, 200_000)
		_ = x.Finish(nil)
	})
	if r := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip")).Answer(h); !errors.Is(r.Err, io.ErrUnexpectedEOF) {
		t.Errorf("client got %v", r.Err)
	}
}

// A file that fails as it is read ends its response, and nothing else.
func TestFailureInAFile(t *testing.T) {
	for how, fail := range map[string]func(){"panic": func() { panic("broken") }, "goexit": runtime.Goexit} {
		t.Run(how, func(t *testing.T) {
			e := exchangetest.NewExecutor(t)
			h := compressor(t, func(x asteri.Exchange) {
				_ = x.Start(200, fields("Content-Type: text/html", "Content-Length: 200000"))
				_ = x.SendFile(failing{fail}, 0, 200_000)
				_ = x.Finish(nil)
			})
			var failed *asteri.PanicError
			if r := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip")).Answer(h); !errors.As(r.Err, &failed) {
				t.Errorf("client got %v", r.Err)
			}
			if n := h.bodies.Load(); n != 0 {
				t.Errorf("%d bodies are left", n)
			}
		})
	}
}

// failing is a file that fails when it is read.
type failing struct{ fail func() }

func (failing) Fd() uintptr                         { return 1 << 30 }
func (f failing) ReadAt([]byte, int64) (int, error) { f.fail(); return 0, nil }
func (failing) Close() error                        { return nil }

func TestSlowClientHoldsTheHandler(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	noise := make([]byte, 2<<20) // it does not become smaller
	for i := range noise {
		noise[i] = byte(rand.Uint32())
	}
	h := compressor(t, func(x asteri.Exchange) { ways["later"](t, x, noise) })
	x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
	x.Hold()
	x.Serve(h)
	exchangetest.Eventually(t, "the queue fills", func() bool { return x.Unsent() >= asteri.HighWater })
	for range 5 {
		runtime.Gosched()
		if n := x.Unsent(); n > asteri.HighWater+2*asteri.LowWater+enough {
			t.Fatalf("%d bytes wait for a client that does not read", n)
		}
	}
	for !x.Ended() {
		x.Release()
	}
	if got, err := decode(t, "gzip", x.Wait().Body); err != nil || !bytes.Equal(got, noise) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

// bounded is an exchange of a server that keeps most bytes for a client.
type bounded struct{ asteri.Exchange }

const most = 1 << 20

func (b bounded) Home() asteri.Executor { return boundedHome{b.Exchange.Home()} }

type boundedHome struct{ asteri.Executor }

func (boundedHome) MaxQueued() int { return most }

// What waits to be coded is held for the client as what waits to be sent is: it is
// counted, and a handler that does not heed it loses its exchange.
func TestWhatWaitsIsBounded(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	var err error
	h := compressor(t, func(x asteri.Exchange) {
		_ = x.Start(200, fields("Content-Type: text/html"))
		for n := 0; err == nil && n < 10*most; n += most / 8 {
			_, err = x.Write(text(most / 8))
		}
	})
	x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
	x.Hold()
	e.Do(func() { h.ServeExchange(bounded{x}) })
	var mistake *asteri.ResponseError
	if r := x.Wait(); !errors.As(err, &mistake) || !errors.As(r.Err, &mistake) {
		t.Errorf("handler got %v, client %v", err, r.Err)
	}
	exchangetest.Eventually(t, "the encoder is given back", func() bool { return h.bodies.Load() == 0 })
	if n := x.Reserved(); n != 0 {
		t.Errorf("%d bytes are counted still", n)
	}

	x = exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
	x.Hold()
	h = compressor(t, func(x asteri.Exchange) { ways["respond"](t, x, text(most)) })
	var counted int64
	e.Do(func() { h.ServeExchange(bounded{x}); counted = x.Reserved() })
	if counted < most {
		t.Errorf("%d bytes are counted", counted)
	}
	for !x.Ended() {
		x.Release()
	}
	if n := x.Reserved(); n != 0 {
		t.Errorf("%d bytes are counted at the end", n)
	}
}

// heldFile is a file that is closed once.
type heldFile struct {
	*os.File
	closed chan struct{}
}

func (f *heldFile) Close() error { close(f.closed); return f.File.Close() }

// Beginning anew is a mistake within a response, and nothing behind it.
func TestBegunTwice(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	path := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(path, text(1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	again := map[string]func(x asteri.Exchange) error{
		"start":   func(x asteri.Exchange) error { return x.Start(200, nil) },
		"respond": func(x asteri.Exchange) error { return x.Respond(200, nil, nil) },
	}
	for name, begin := range again {
		var err error
		f := &heldFile{closed: make(chan struct{})}
		h := compressor(t, func(x asteri.Exchange) {
			f.File, err = os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			_ = x.Start(200, fields("Content-Type: text/html"))
			_ = x.SendFile(f, 0, 1<<20)
			err = begin(x)
		})
		x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
		x.Hold()
		x.Serve(h)
		var mistake *asteri.ResponseError
		if r := x.Wait(); !errors.As(err, &mistake) || !errors.As(r.Err, &mistake) {
			t.Errorf("%s: handler got %v, client %v", name, err, r.Err)
		}
		<-f.closed
		exchangetest.Eventually(t, "the encoder is given back", func() bool { return h.bodies.Load() == 0 })
	}
	for name, begin := range again {
		content := text(1 << 20)
		var err error
		h := compressor(t, func(x asteri.Exchange) {
			ways["respond"](t, x, content)
			err = begin(x)
		})
		r := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip")).Answer(h)
		if got, failure := decode(t, "gzip", r.Body); !errors.Is(err, asteri.ErrClosed) || failure != nil || !bytes.Equal(got, content) {
			t.Errorf("%s behind the end: handler got %v, client %d bytes, %v", name, err, len(got), failure)
		}
	}
}

func TestClientGoesWhileAJobRuns(t *testing.T) {
	h := compressor(t, func(x asteri.Exchange) { ways["respond"](t, x, text(1<<20)) })
	for range 20 {
		e := exchangetest.NewExecutor(t)
		x := exchangetest.New(t, e, request("GET", "Accept-Encoding: zstd"))
		x.Hold()
		x.Serve(h)
		x.Cancel(asteri.ErrClientGone)
	}
	exchangetest.Eventually(t, "all encoders are given back", func() bool { return h.bodies.Load() == 0 })
}

func TestStreamsAreBounded(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	var own []asteri.Exchange
	h := compressor(t, func(x asteri.Exchange) {
		own = append(own, x)
		_ = x.Start(200, fields("Content-Type: text/html"))
	})
	coded := 0
	var all []*exchangetest.Exchange
	for range maxBodies + 5 {
		x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
		x.Serve(h)
		all = append(all, x)
	}
	e.Do(func() {
		for _, x := range own {
			_ = x.Finish(nil)
		}
	})
	for _, x := range all {
		if r := x.Wait(); r.Header.Has("Content-Encoding") {
			coded++
		} else if !r.Header.Has("Vary") {
			t.Error("no Vary where there was no encoder")
		}
	}
	if coded != maxBodies || h.bodies.Load() != 0 {
		t.Errorf("%d were coded, %d are left", coded, h.bodies.Load())
	}
}

func TestPanicGivesTheEncoderBack(t *testing.T) {
	e := exchangetest.NewExecutor(t)
	h := compressor(t, func(x asteri.Exchange) {
		_ = x.Start(200, fields("Content-Type: text/html"))
		panic("handler")
	})
	x := exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))
	e.Do(func() {
		defer func() { _ = recover() }()
		h.ServeExchange(x)
	})
	if n := h.bodies.Load(); n != 0 {
		t.Errorf("%d bodies are left", n)
	}
}

func TestParseCoding(t *testing.T) {
	for s, want := range map[string]Coding{
		"gzip": {accept.Gzip, 5}, "gzip:9": {accept.Gzip, 9}, "zstd:22": {accept.Zstd, 22}, "br:0": {accept.Brotli, 0},
	} {
		if got, err := ParseCoding(s); err != nil || got != want {
			t.Errorf("%q: %v, %v", s, got, err)
		}
	}
	for _, s := range []string{"", "identity", "deflate", "gzip:0", "gzip:10", "br:12", "zstd:x", "gzip:"} {
		if _, err := ParseCoding(s); err == nil {
			t.Errorf("%q passes", s)
		}
	}
}

// finishes counts how often an exchange is finished.
type finishes struct {
	*exchangetest.Exchange
	n atomic.Int64
}

func (x *finishes) Finish(trailer *asteri.Header) error {
	x.n.Add(1)
	return x.Exchange.Finish(trailer)
}

// That a handler is done is told to the exchange below also when its client has left: it
// counts as at work until then.
func TestEndIsToldAfterTheClientHasLeft(t *testing.T) {
	for name, late := range map[string]bool{"before": false, "after": true} {
		e := exchangetest.NewExecutor(t)
		x := &finishes{Exchange: exchangetest.New(t, e, request("GET", "Accept-Encoding: gzip"))}
		var own asteri.Exchange
		x.Hold()
		e.Do(func() {
			compressor(t, func(x asteri.Exchange) {
				own = x
				_ = x.Start(200, fields("Content-Type: text/html"))
				_, _ = x.Write(text(1 << 20)) // a job's
				if !late {
					_ = x.Finish(nil)
				}
			}).ServeExchange(x)
		})
		x.Cancel(asteri.ErrClientGone)
		if late {
			e.Do(func() { _ = own.Finish(nil) })
		}
		exchangetest.Eventually(t, "told of the end, the client having left "+name, func() bool { return x.n.Load() > 0 })
	}
}
