package python

import (
	"os"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/workers/python/internal/control"
	"github.com/asteri/asteri-loop/workers/python/internal/process"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
	"github.com/asteri/asteri-loop/workers/python/internal/wiretest"
)

// deadConn is a connection that takes everything and sends nothing.
type deadConn struct {
	on      *loop.Loop
	written int
	aborted bool
}

func (c *deadConn) Write(p []byte) int                   { c.written += len(p); return 0 }
func (c *deadConn) SendFile(f loop.File, _, _ int64) int { f.Close(); return 0 }
func (c *deadConn) Queued() int                          { return 0 }
func (c *deadConn) Full() bool                           { return false }
func (c *deadConn) Congested() bool                      { return false }
func (c *deadConn) SetWaterMarks(int, int)               {}
func (c *deadConn) PauseRead()                           {}
func (c *deadConn) ResumeRead()                          {}
func (c *deadConn) SetTimer(loop.Timer, time.Duration)   {}
func (c *deadConn) Info() *loop.ConnInfo                 { return &loop.ConnInfo{} }
func (c *deadConn) Loop() *loop.Loop                     { return c.on }
func (c *deadConn) Replace(loop.Session)                 {}
func (c *deadConn) CloseWhenFlushed(bool)                {}
func (c *deadConn) CloseWrite()                          {}
func (c *deadConn) Abort(error)                          { c.aborted = true }
func (c *deadConn) Post(fn func()) bool                  { return c.on.Post(fn) }
func (c *deadConn) Reserve(int)                          {}
func (c *deadConn) Heavy() bool                          { return false }

// testLink returns a link with n calls, on a loop that does not run.
func testLink(t testing.TB, n int) (*link, []*recorder) {
	t.Helper()
	p := testPool()
	t.Cleanup(p.dispatcher.Close)
	on := idleLoop(t)
	w := testWorker(p, n, on)
	w.info = Info{Interface: "wsgi", Capacity: n, wholeBody: true}
	fds, err := process.Pair()
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.SetNonblock(fds[0], true); err != nil {
		t.Fatal(err)
	}
	ours, theirs := os.NewFile(uintptr(fds[0]), "control"), os.NewFile(uintptr(fds[1]), "control of the worker")
	t.Cleanup(func() { theirs.Close() })
	w.proc = &process.Process{Control: ours}
	if w.control, err = control.New(ours, control.Events{}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(w.control.Close)
	w.link = newLink(w, &deadConn{on: on})
	p.dispatcher.Add(&w.slots)
	var xs []*recorder
	for range n {
		c := testCall(p, on)
		xs = append(xs, c.x.(*recorder))
		c.submit()
	}
	return w.link, xs
}

// FuzzLink feeds a link with what a worker may send. Nothing may panic, however
// the bytes are cut, and each exchange may end only once.
func FuzzLink(f *testing.F) {
	seed := func(frames ...[]byte) {
		var all []byte
		for _, b := range frames {
			all = append(all, b...)
		}
		f.Add(all, uint8(0))
		f.Add(all, uint8(7))
	}
	answer := func(id int64, more ...any) []byte {
		return wiretest.Frame(wire.FrameAnswers, 0, 0, wiretest.List{append([]any{id, 200, []any{"A", "b", []byte("content-length"), "4"}, []byte("body")}, more...)})
	}
	seed(answer(1), answer(2, true), wiretest.Frame(wire.FrameDone, 0, 2, []byte{}))
	seed(wiretest.Frame(wire.FrameStart, 0, 1, []any{200, []any{"X", "\u00e9"}}), wiretest.Frame(wire.FrameData, 0, 1, []byte("data")), wiretest.Frame(wire.FrameTrailers, 0, 1, []any{"T", "1"}), wiretest.Frame(wire.FrameDone, 0, 1, []byte{}))
	seed(wiretest.Frame(wire.FrameStart, 0, 1, []any{"404 Not h\u00e9re", []any{}}), wiretest.Frame(wire.FrameData, wire.FlagEnd, 1, []byte("data")), wiretest.Frame(wire.FrameDone, 0, 1, []byte{}))
	seed(wiretest.Frame(wire.FrameInform, 0, 3, []any{103, []any{}}), wiretest.Frame(wire.FrameStart, 0, 3, []any{200, []any{}}), wiretest.Frame(wire.FrameAbort, 0, 3, []any{"why", ""}), wiretest.Frame(wire.FrameDone, 0, 3, []byte{}))
	seed(wiretest.Frame(wire.FrameError, 0, 1, []any{"what", "where"}), wiretest.Frame(wire.FrameWindow, 0, 2, []byte{1, 0, 0, 0}), wiretest.Frame(wire.FrameLog, 0, 0, wiretest.List{[]any{20, "l", "m", 0}}))
	seed(wiretest.Frame(wire.FrameStart, 0, 1, []any{200, []any{}}), wiretest.Frame(wire.FrameFile, 1, 1, []any{nil, 0, -1}))
	accept := wiretest.Frame(wire.FrameAccept, 0, 1, []any{nil, []any{"X", "y"}})
	messages := func(items ...any) []byte { return wiretest.Frame(wire.FrameReceived, 0, 0, wiretest.List(items)) }
	seed(accept, messages(1, "text", 1, []byte("binary"), 1, []any{"piece"}, 1, []any{1000, "bye"}), wiretest.Frame(wire.FrameWindow, 0, 1, []byte{1, 0, 0, 0}), wiretest.Frame(wire.FrameDone, 0, 1, []byte{}))
	seed(accept, wiretest.Frame(wire.FrameAbort, 0, 1, []any{"why", ""}), messages(1, 5), accept)
	for _, attack := range wiretest.HostileLink(1) {
		if len(attack) < 1<<16 {
			seed(attack)
		}
	}
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		l, xs := testLink(t, 3)
		l.worker.info.Interface = "asgi"
		for _, c := range l.calls.all(nil) {
			c.upgrade = c.req // may be accepted as a WebSocket
		}
		feed(l, in, int(cut))
		l.finish()
		for _, x := range xs {
			ends := 0
			for _, e := range x.events {
				switch e[:5] {
				case "finis", "respo", "abort":
					ends++
				}
			}
			if ends > 1 || x.ended != (ends == 1) {
				t.Errorf("an exchange ended %d times: %q", ends, x.events)
			}
		}
	})
}

// feed gives in to the link as a loop would: pieces of cut bytes, and what was not
// consumed again.
func feed(l *link, in []byte, cut int) {
	if cut == 0 {
		cut = len(in) + 1
	}
	for from, to := 0, 0; to < len(in); {
		to = min(to+cut, len(in))
		n, err := l.OnData(in[from:to])
		if err != nil {
			return
		}
		from += n
	}
}

func TestResponseInParts(t *testing.T) {
	l, xs := testLink(t, 1)
	x := xs[0]
	feed(l, wiretest.Frame(wire.FrameStart, 0, 1, []any{200, []any{}}), 5)
	feed(l, wiretest.Frame(wire.FrameData, 0, 1, make([]byte, 10)), 16)
	feed(l, wiretest.Frame(wire.FrameData, wire.FlagEnd, 1, []byte{}), 0)
	if got := x.events; len(got) < 3 || got[0] != "start 200" || got[len(got)-1] != "finish" {
		t.Errorf("got %q", got)
	}
	if l.calls.open != 1 {
		t.Error("the call's slot was free before DONE")
	}
	feed(l, wiretest.Frame(wire.FrameDone, 0, 1, []byte{}), 0)
	if calls, _ := l.worker.pool.dispatcher.At(&l.worker.slots); l.calls.open != 0 || calls != 0 {
		t.Error("the call's slot is not free after DONE")
	}
}

// silent is an exchange whose response costs nothing.
type silent struct{ recorder }

func (x *silent) Respond(int, *asteri.Header, []byte) error { return nil }

// What a hello-world request costs in the front's Go code besides the protocol
// and the loop: dispatch, encoding, decoding, answering.
func BenchmarkHello(b *testing.B) {
	const batch = 16
	l, _ := testLink(b, batch)
	var fields asteri.Header
	for _, f := range [][2]string{{"Host", "localhost:8000"}, {"User-Agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"}, {"Accept", "text/html"},
		{"Accept-Language", "en-US,en;q=0.5"}, {"Accept-Encoding", "gzip, deflate"}, {"Connection", "keep-alive"}, {"Cookie", "session=0123456789"}} {
		fields.Add(f[0], f[1])
	}
	header := []any{"Content-Type", "text/plain", "Content-Length", "13"}
	answers := make(wiretest.List, batch)
	var xs [batch]silent
	b.ReportAllocs()
	for b.Loop() {
		b.StopTimer()
		first := int64(l.calls.lastID) - batch + 1
		for i := range answers {
			answers[i] = []any{first + int64(i), 200, header, []byte("Hello, World!")}
		}
		frame := wiretest.Frame(wire.FrameAnswers, 0, 0, answers)
		b.StartTimer()
		if _, err := l.OnData(frame); err != nil {
			b.Fatal(err)
		}
		for i := range xs {
			x := &xs[i]
			x.recorder = recorder{home: l.loop, req: asteri.Request{Method: "GET", Proto: asteri.HTTP11, Scheme: "http", Path: []byte("/"), Header: fields, Peer: &asteri.Peer{}}}
			l.worker.pool.ServeExchange(x)
		}
		l.flush()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/batch, "ns/request")
}

// A worker gives back what it was asked for, and nothing else.
func TestRecalledForWhatWasNotAsked(t *testing.T) {
	for _, what := range []string{"not asked", "begun", "twice", "asked"} {
		l, xs := testLink(t, 2)
		all := l.calls.all(nil)
		c := all[0]
		log := new(logtest.Text)
		l.worker.log = log.Logger()
		c.atLink.asked = what != "not asked"
		ids := []uint32{c.atLink.id}
		switch what {
		case "begun":
			feed(l, wiretest.Frame(wire.FrameStart, 0, int64(c.atLink.id), []any{200, []any{}}), 0)
		case "twice":
			ids = append(ids, c.atLink.id)
		}
		l.onRecalled(ids)
		if breach := strings.Contains(log.String(), "sent what it may not"); breach != (what != "asked") {
			t.Errorf("%s: a breach: %v", what, breach)
		}
		if stays := l.calls.get(ids[0]) == c; stays != (what == "not asked" || what == "begun") {
			t.Errorf("%s: the call is where it was: %v", what, stays)
		}
		if len(xs[1].events) > 0 {
			t.Errorf("%s: another call was touched: %q", what, xs[1].events)
		}
	}
}
