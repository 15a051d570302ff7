package exchange

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// home is an executor that runs what was posted when the test says so, and whose
// clock is the test's.
type home struct {
	posts chan func()
	time  time.Time
}

func (h *home) Now() time.Time      { return h.time }
func (h *home) MaxQueued() int      { return 1 << 30 }
func (h *home) Post(fn func()) bool { h.posts <- fn; return true }

func (h *home) run() {
	for {
		select {
		case fn := <-h.posts:
			fn()
		default:
			return
		}
	}
}

// wire notes what an exchange sends.
type wire struct {
	Exchange
	section Section
	tunnel  *Tunnel
	log     []string
	queued  int
	credit  int
	awaits  int
	watch   time.Duration
	closed  bool
	held    int
}

// newWire returns a wire whose exchange is that of a request yet to come.
func newWire(s *asteri.Settings, h Home) *wire {
	w := &wire{section: NewSection(s)}
	w.Init(NewLocal(s, h), w, asteri.HTTP2, &asteri.Peer{})
	return w
}

// party is the exchange, or its tunnel.
func (w *wire) party() Party {
	if w.tunnel != nil {
		return w.tunnel
	}
	return &w.Exchange
}

func (w *wire) Reserve(n int) { w.held += n }

func (w *wire) add(words ...string) { w.log = append(w.log, strings.Join(words, " ")) }

func (w *wire) Compose(head *Head, h *asteri.Header) error { return w.section.Compose(head, h) }

func (w *wire) Commit(head *Head, content []byte, end bool) {
	var b strings.Builder
	for _, f := range w.section.Complete(head, &w.Exchange) {
		if string(f.Name) != "date" {
			b.WriteString(string(f.Name) + "=" + string(f.Value) + " ")
		}
	}
	w.Framed(b.Len())
	w.add("head", strings.TrimSpace(b.String()), endOrMore(end && len(content) == 0))
	if len(content) > 0 {
		w.add("data", string(content), endOrMore(end))
	}
}

func endOrMore(end bool) string {
	if end {
		return "end"
	}
	return "more"
}

func (w *wire) Send(p []byte) int {
	w.add("data", string(p), endOrMore(false))
	return w.queued
}

func (w *wire) End(trailer bool) {
	if trailer {
		w.add("trailer", string(w.section.Trailer().At(0).Name))
	} else {
		w.add("data", "", endOrMore(true))
	}
}

func (w *wire) Offered(protocol []byte) (int, error)   { return w.OfferedConnect(protocol) }
func (w *wire) Become() (*Tunnel, Channel)             { w.tunnel = new(Tunnel); return w.tunnel, w }
func (w *wire) SendFile(f asteri.File, _, _ int64) int { w.add("file"); f.Close(); return w.queued }
func (w *wire) Queued() int                            { return w.queued }
func (w *wire) Full() bool                             { return w.queued >= 1<<30 }
func (w *wire) Done()                                  { w.add("done") }
func (w *wire) Reset(cause error)                      { w.add("reset", cause.Error()) }
func (w *wire) Credit(n int)                           { w.credit += n }
func (w *wire) Await()                                 { w.awaits++ }
func (w *wire) Room() int                              { return asteri.BodyWindow }
func (w *wire) Watch(d time.Duration)                  { w.watch = d }
func (w *wire) Recycle() bool                          { return w.closed }

func (w *wire) take() string {
	s := strings.Join(w.log, "; ")
	w.log = nil
	return s
}

var errTest = errors.New("test")

// begin has h serve a request of method on a new wire; the request has content to
// come unless ended.
func begin(t *testing.T, method string, ended bool, h asteri.HandlerFunc, opts ...asteri.Option) (*wire, *home) {
	t.Helper()
	s := asteri.NewSettings(h, append(opts, asteri.WithServer(""))...)
	hm := &home{posts: make(chan func(), 100), time: time.Unix(1700000000, 0)}
	w := newWire(&s, hm)
	var head httpfield.RequestHead
	w.Head(&head)
	for _, f := range [][2]string{{":method", method}, {":scheme", "http"}, {":path", "/"}, {":authority", "a"}} {
		head.Add(f[0], f[1])
	}
	if method == "CONNECT" {
		head.Add(":protocol", "websocket")
	}
	refusal, err := head.End(ended, true)
	if refusal != nil || err != nil {
		t.Fatal(refusal, err)
	}
	w.HeadDone(&head)
	w.Serve(ended, nil)
	return w, hm
}

// sink notes what it is given, and does more if the test wants.
type sink struct {
	body   []byte
	ends   int
	err    error
	onBody func(n int)
}

func (s *sink) OnBody(p []byte) {
	s.body = append(s.body, p...)
	if s.onBody != nil {
		s.onBody(len(p))
	}
}
func (s *sink) OnEnd(*asteri.Header) { s.ends++ }
func (s *sink) OnError(err error)    { s.err = err }

func TestReuse(t *testing.T) {
	for name, tt := range map[string]struct {
		h    asteri.HandlerFunc
		want bool
	}{
		"answered":  {func(x asteri.Exchange) { _ = x.Respond(204, nil, nil) }, true},
		"kept":      {func(asteri.Exchange) {}, false},
		"watched":   {func(x asteri.Exchange) { x.OnCancel(func(error) {}); _ = x.Respond(204, nil, nil) }, false},
		"body read": {func(x asteri.Exchange) { x.ReadBody(new(sink)); _ = x.Respond(204, nil, nil) }, false},
		"posted":    {func(x asteri.Exchange) { x.Post(func() {}); _ = x.Respond(204, nil, nil) }, false},
		"panicked":  {func(asteri.Exchange) { panic(errTest) }, false},
	} {
		if w, _ := begin(t, "GET", true, tt.h); w.Reusable() != tt.want {
			t.Errorf("%s: reusable %v", name, !tt.want)
		}
	}
}

// Content that comes in the midst of things is neither lost nor delivered twice.
func TestSinkThatActs(t *testing.T) {
	t.Run("consumes at once", func(t *testing.T) {
		got := new(sink)
		w, hm := begin(t, "POST", false, func(x asteri.Exchange) {
			got.onBody = x.Consumed
			x.ReadBody(got)
		})
		big := bytes.Repeat([]byte("0123456789"), 30000) // more than a window at once
		if err := w.Receive(bytes.Clone(big)); err != nil {
			t.Fatal(err)
		}
		if err := w.ReceiveEnd(nil); err != nil {
			t.Fatal(err)
		}
		hm.run()
		if !bytes.Equal(got.body, big) || got.ends != 1 || w.credit != len(big) {
			t.Errorf("%d bytes, %d ends, %d given back", len(got.body), got.ends, w.credit)
		}
	})
	t.Run("aborts while bytes are kept", func(t *testing.T) {
		got := new(sink)
		w, hm := begin(t, "POST", false, func(x asteri.Exchange) {
			got.onBody = func(int) { x.Abort(errTest) }
			x.OnCancel(func(error) {})
			x.Post(func() { x.ReadBody(got) })
		})
		if err := w.Receive([]byte("abc")); err != nil {
			t.Fatal(err)
		}
		hm.run()
		if string(got.body) != "abc" || got.err == nil || w.body.kept.Len() != 0 {
			t.Errorf("%q, %v, %d bytes kept", got.body, got.err, w.body.kept.Len())
		}
	})
	t.Run("panics", func(t *testing.T) {
		got := new(sink)
		w, _ := begin(t, "POST", false, func(x asteri.Exchange) {
			got.onBody = func(int) { panic(errTest) }
			x.ReadBody(got)
		})
		_ = w.Receive([]byte("abc"))
		if !w.Over() || !strings.HasPrefix(w.take(), "head :status=500") {
			t.Error("not answered 500")
		}
	})
	t.Run("ends its goroutine", func(t *testing.T) {
		w, _ := begin(t, "POST", false, func(x asteri.Exchange) { x.OnCancel(func(error) {}) })
		done := make(chan struct{})
		go func() {
			defer close(done)
			w.ReadBody(&sink{onBody: func(int) { runtime.Goexit() }})
			_ = w.Receive([]byte("abc"))
		}()
		<-done
		if !w.Over() {
			t.Error("not answered")
		}
	})
}

func TestCauses(t *testing.T) {
	var causes []error
	w, hm := begin(t, "GET", true, func(x asteri.Exchange) {
		x.OnCancel(func(err error) { causes = append(causes, err) })
	})
	w.HalfClosed()
	w.HalfClosed()
	w.Cancel(asteri.ErrClientGone)
	w.Cancel(asteri.ErrClientGone)
	if len(causes) != 3 || causes[0] != asteri.ErrHalfClosed || causes[2] != asteri.ErrClientGone {
		t.Errorf("causes are %v", causes)
	}
	late := 0
	w.OnCancel(func(error) { late++ })
	if late != 0 {
		t.Error("told from within OnCancel")
	}
	if hm.run(); late != 1 {
		t.Errorf("told %d times", late)
	}
	if w.LetGo() {
		t.Error("let go already")
	}
	if _ = w.Finish(nil); !w.LetGo() {
		t.Error("not let go")
	}
}

// A response of success to an extended CONNECT would open its tunnel: only Upgrade may.
func TestNoTunnelUnasked(t *testing.T) {
	for name, answer := range map[string]func(x asteri.Exchange) error{
		"whole":   func(x asteri.Exchange) error { return x.Respond(200, nil, []byte("page")) },
		"started": func(x asteri.Exchange) error { return x.Start(204, nil) },
	} {
		var err error
		w, _ := begin(t, "CONNECT", false, func(x asteri.Exchange) { err = answer(x) })
		if got := w.take(); !strings.HasPrefix(got, "head :status=501 ") || strings.Contains(got, "page") || err == nil {
			t.Errorf("%s: sent %s, %v", name, got, err)
		}
	}
	w, _ := begin(t, "CONNECT", false, func(x asteri.Exchange) { _ = x.Respond(404, nil, nil) })
	if got := w.take(); !strings.HasPrefix(got, "head :status=404") {
		t.Errorf("a refusal: sent %s", got)
	}
}

func TestMisuse(t *testing.T) {
	var mistake *asteri.ResponseError
	for name, answer := range map[string]func(x asteri.Exchange) error{
		"status 99":  func(x asteri.Exchange) error { return x.Start(99, nil) },
		"status 600": func(x asteri.Exchange) error { return x.Respond(600, nil, nil) },
	} {
		w, _ := begin(t, "GET", true, func(x asteri.Exchange) {
			if err := answer(x); !errors.As(err, &mistake) {
				t.Errorf("%s: %v", name, err)
			}
		})
		if got := w.take(); !strings.HasPrefix(got, "head :status=500 ") {
			t.Errorf("%s: sent %s", name, got)
		}
	}
	var x asteri.Exchange
	w, _ := begin(t, "GET", true, func(got asteri.Exchange) { x = got })
	for name, err := range map[string]error{
		"write before the start": func() error { _, err := x.Write(nil); return err }(),
		"inform 200":             x.Inform(200, nil),
		"inform with a length":   x.Inform(103, func() *asteri.Header { h := new(asteri.Header); h.Add("content-length", "1"); return h }()),
		"upgrade of a GET":       func() error { _, err := x.Upgrade(nil); return err }(),
	} {
		if !errors.As(err, &mistake) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if got := w.take(); got != "" {
		t.Errorf("sent %s", got)
	}
	trailer := new(asteri.Header)
	trailer.Add("Trailer", "x")
	if err := x.Start(200, nil); err != nil {
		t.Fatal(err)
	}
	if err := x.Finish(trailer); !errors.As(err, &mistake) {
		t.Errorf("trailer: %v", err)
	}
	if got := w.take(); !strings.Contains(got, "reset invalid response") {
		t.Errorf("sent %s", got)
	}
}

func TestAltSvc(t *testing.T) {
	w, _ := begin(t, "GET", true, func(x asteri.Exchange) { _ = x.Respond(204, nil, nil) }, asteri.WithAltSvc(`h3=":443"`))
	if got := w.take(); strings.Contains(got, "alt-svc") {
		t.Errorf("without TLS: %s", got)
	}
}

func TestObserver(t *testing.T) {
	var records []asteri.Record
	observe := observer(func(r *asteri.Record) { records = append(records, *r) })
	begin(t, "GET", true, func(x asteri.Exchange) { _ = x.Respond(200, nil, []byte("abc")) }, asteri.WithObserver(observe))
	begin(t, "HEAD", true, func(x asteri.Exchange) { _ = x.Respond(200, nil, []byte("abc")) }, asteri.WithObserver(observe))
	w, _ := begin(t, "GET", true, func(x asteri.Exchange) {}, asteri.WithObserver(observe))
	w.Cancel(asteri.ErrClientGone)
	if len(records) != 3 || records[0].BytesOut != 3 || records[1].BytesOut != 0 || records[0].Status != 200 ||
		records[2].Status != 0 || !errors.Is(records[2].Err, asteri.ErrClientGone) {
		t.Errorf("%+v", records)
	}
}

type observer func(*asteri.Record)

func (o observer) ExchangeDone(r *asteri.Record) { o(r) }

// Queue

// memory is what is held.
type memory int

func (m *memory) Reserve(n int) { *m += memory(n) }

func newLocalForQueue() (*Local, *home, *memory) {
	hm := &home{posts: make(chan func(), 100)}
	s := asteri.NewSettings(nil)
	return NewLocal(&s, hm), hm, new(memory)
}

func TestQueue(t *testing.T) {
	at, hm, used := newLocalForQueue()
	name := filepath.Join(t.TempDir(), "f")
	content := bytes.Repeat([]byte("file"), 50000)
	if err := os.WriteFile(name, content, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	var q Queue
	q.CountBy(used)
	want := bytes.Repeat([]byte("before"), 5000)
	q.Write(at, want)
	q.WriteFile(f, 4, int64(len(content)-4))
	q.Write(at, []byte("behind"))
	want = append(append(want, content[4:]...), "behind"...)
	if q.Len() != len(want) {
		t.Fatalf("%d bytes, want %d", q.Len(), len(want))
	}
	var got []byte
	var loads Loads
	for q.Len() > 0 {
		p := q.Peek(10000)
		if len(p) == 0 {
			loaded := false
			q.Load(at, &loads, func(err error) {
				if loaded = true; err != nil {
					t.Fatal(err)
				}
			})
			q.Load(at, &loads, func(error) { t.Error("loaded twice") })
			for !loaded {
				(<-hm.posts)()
			}
			continue
		}
		got = append(got, p...)
		q.Advance(at, len(p))
	}
	if !bytes.Equal(got, want) {
		t.Error("what comes out is not what went in")
	}
	if *used != 0 || loads != 0 {
		t.Errorf("%d bytes are counted, %d of the file", *used, loads)
	}
	if f.Fd() != ^uintptr(0) {
		t.Error("the file is open")
	}
}

// A queue may be dropped, and used again, while a file is being read.
func TestQueueDroppedWhileLoading(t *testing.T) {
	at, hm, used := newLocalForQueue()
	f, err := os.Open(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	var q Queue
	q.CountBy(used)
	q.WriteFile(f, 0, 1000)
	q.Write(at, []byte("a"))
	var loads Loads
	q.Load(at, &loads, func(error) { t.Error("done") })
	q.Drop(at)
	q.Write(at, []byte("new"))
	(<-hm.posts)()
	if string(q.Peek(10)) != "new" || q.Len() != 3 || f.Fd() != ^uintptr(0) {
		t.Errorf("%q", q.Peek(10))
	}
	q.Drop(at)
	if *used != 0 || loads != 0 {
		t.Errorf("%d bytes are counted, %d of the file", *used, loads)
	}
}

// However many queues have files, and however little of them is taken, they have little
// of them in memory.
func TestManyFilesTakeLittleMemory(t *testing.T) {
	at, hm, used := newLocalForQueue()
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	var loads Loads
	queues := make([]Queue, 100)
	for i := range queues {
		queues[i].CountBy(used)
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		queues[i].WriteFile(f, 0, 1<<20)
		queues[i].Load(at, &loads, func(err error) {
			if err != nil {
				t.Error(err)
			}
		})
	}
	for range queues {
		(<-hm.posts)()
	}
	if most := memory(maxLoads + loadSize + len(queues)*chunkSize); *used > most || memory(loads) != *used {
		t.Errorf("%d bytes are in memory, %d are counted", *used, loads)
	}
	for i := range queues {
		if len(queues[i].Peek(1)) == 0 {
			t.Fatal("a queue has nothing")
		}
		queues[i].Drop(at)
	}
	if *used != 0 || loads != 0 {
		t.Errorf("%d bytes are left, %d are counted", *used, loads)
	}
}

// A handler that writes on though its client does not read loses the stream, and one that
// sends what is no file is told so.
func TestMistakesWithOutput(t *testing.T) {
	var mistake *asteri.ResponseError
	w, _ := begin(t, "GET", true, func(x asteri.Exchange) {
		_ = x.Start(200, nil)
		for _, err := range []error{x.SendFile(nil, 0, 1)} {
			if !errors.As(err, &mistake) {
				t.Errorf("it was told %v", err)
			}
		}
		x.(*Exchange).wire.(*wire).queued = 1 << 30
		if _, err := x.Write([]byte("the last that may be queued")); err != nil {
			t.Error(err)
		}
		if _, err := x.Write([]byte("too much")); !errors.As(err, &mistake) {
			t.Errorf("it was told %v", err)
		}
	})
	if got := w.take(); !strings.Contains(got, "reset") || strings.Contains(got, "too much") {
		t.Errorf("on the wire: %s", got)
	}
}

// A file that fails as it is read ends its response, and nothing else.
func TestFailureInAFile(t *testing.T) {
	for how, fail := range map[string]func(){"panic": func() { panic("broken") }, "goexit": runtime.Goexit} {
		t.Run(how, func(t *testing.T) {
			s := asteri.NewSettings(asteri.HandlerFunc(nil))
			hm := &home{posts: make(chan func(), 10), time: time.Unix(1700000000, 0)}
			at := NewLocal(&s, hm)
			var q Queue
			q.CountBy(new(wire))
			q.WriteFile(failing{fail}, 0, 100)
			var got error
			q.Load(at, new(Loads), func(err error) { got = err })
			(<-hm.posts)()
			var failed *asteri.PanicError
			if !errors.As(got, &failed) {
				t.Errorf("it ended with %v", got)
			}
			q.Drop(at)
		})
	}
}

// failing is a file that fails when it is read.
type failing struct{ fail func() }

func (failing) Fd() uintptr                         { return 1 << 30 }
func (f failing) ReadAt([]byte, int64) (int, error) { f.fail(); return 0, nil }
func (failing) Close() error                        { return nil }

// hanging is a file on a disk that does not answer until it is released.
type hanging struct {
	reads   *atomic.Int64
	release chan struct{}
}

func (hanging) Fd() uintptr  { return 1 << 30 }
func (hanging) Close() error { return nil }
func (f hanging) ReadAt(p []byte, _ int64) (int, error) {
	f.reads.Add(1)
	<-f.release
	return len(p), nil
}

// However many responses are of files on a disk that hangs, they take few threads.
func TestDiskThatHangs(t *testing.T) {
	at, hm, used := newLocalForQueue()
	hm.posts = make(chan func(), 1000)
	f := hanging{new(atomic.Int64), make(chan struct{})}
	queues := make([]Queue, 1000)
	var loads Loads
	done := 0
	for i := range queues {
		queues[i].CountBy(used)
		queues[i].WriteFile(f, 0, 10)
		queues[i].Load(at, &loads, func(error) { done++ })
	}
	for f.reads.Load() < diskJobs {
		runtime.Gosched()
	}
	if n := runtime.NumGoroutine(); n > 100 {
		t.Errorf("%d goroutines", n)
	}
	close(f.release)
	for range queues {
		(<-hm.posts)()
	}
	if done != len(queues) {
		t.Errorf("%d of %d were read", done, len(queues))
	}
	for i := range queues {
		queues[i].Drop(at)
	}
}
