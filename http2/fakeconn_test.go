package http2

import (
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// fakeConn is a loop.Conn without a loop: input is fed by the test, output is kept
// for it. It keeps the contract of loop.Conn, as far as a session can tell.
type fakeConn struct {
	session loop.Session
	info    loop.ConnInfo
	loop    *loop.Loop
	timers  [loop.NumTimers]time.Duration

	out       []byte // sent
	held      bool   // the client takes nothing
	queue     []byte // what it has not taken
	high, low int
	wasHigh   bool

	kept    []byte
	eof     bool
	eofTold bool
	paused  bool
	closed  bool // the session closed the connection
	linger  bool
	aborted error

	heavy    bool
	posts    []func()
	reserved int // by the session and those it works for
}

var _ loop.Conn = (*fakeConn)(nil)

// idleLoop is a loop that never runs: sessions need one for its clock.
var idleLoop = sync.OnceValue(func() *loop.Loop {
	e, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		panic(err)
	}
	return e.Loops()[0]
})

// home stands for the loop towards exchanges: its clock is the test's, and what is
// posted runs when the test says so.
type home struct {
	mu    sync.Mutex
	posts []func()
	time  time.Time
}

func (h *home) Now() time.Time { return h.time }
func (h *home) MaxQueued() int { return 1 << 30 }

func (h *home) Post(fn func()) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.posts = append(h.posts, fn)
	return true
}

// run runs what was posted, until there is nothing left to do.
func (h *home) run() {
	for {
		h.mu.Lock()
		posts := h.posts
		h.posts = nil
		h.mu.Unlock()
		if len(posts) == 0 {
			return
		}
		for _, fn := range posts {
			fn()
		}
	}
}

// newFakeConn makes a connection with a session of h, and its home.
func newFakeConn(c Config, h asteri.Handler, opts ...asteri.Option) (*fakeConn, *home) {
	p := c.Protocol(h, opts...).(*protocol)
	conn := &fakeConn{loop: idleLoop()}
	conn.info.Network = "tcp"
	conn.info.Remote = netip.MustParseAddrPort("192.0.2.1:4711")
	at := newLocal(p, conn.loop)
	hm := &home{time: time.Unix(1700000000, 0)}
	at.Home = hm
	conn.session = newSession(conn, at)
	return conn, hm
}

// Reserve counts memory.
func (c *fakeConn) Heavy() bool   { return c.heavy }
func (c *fakeConn) Reserve(n int) { c.reserved += n }

// feed hands input to the session as the loop does.
func (c *fakeConn) feed(p []byte) {
	c.kept = append(c.kept, p...)
	c.offer()
}

func (c *fakeConn) offer() {
	for len(c.kept) > 0 && c.open() && !c.paused {
		n, err := c.session.OnData(c.kept)
		if err != nil {
			c.Abort(err)
			return
		}
		c.kept = c.kept[n:]
		if n == 0 {
			break
		}
	}
	if c.eof && c.open() && !c.paused && !c.eofTold {
		c.eofTold = true
		c.session.OnEOF()
	}
}

func (c *fakeConn) feedEOF() {
	c.eof = true
	c.offer()
}

// release has the client take what is queued, and all that comes of it.
func (c *fakeConn) release() {
	for len(c.queue) > 0 || c.wasHigh {
		c.out = append(c.out, c.queue...)
		c.queue = nil
		if c.wasHigh {
			c.wasHigh = false
			c.session.OnDrain()
		}
	}
	c.held = false
	c.offer()
}

// turn runs what was posted, and offers what it has the session take.
func (c *fakeConn) turn() {
	posts := c.posts
	c.posts = nil
	for _, fn := range posts {
		if c.open() {
			fn()
		}
	}
	c.offer()
	c.flush()
}

// flush does what the loop does at the end of a tick.
func (c *fakeConn) flush() {
	if !c.held {
		c.release()
	}
}

// expire lets timer t run out if it is set, having put the clock forward.
func (c *fakeConn) expire(h *home, t loop.Timer) {
	if d := c.timers[t]; d > 0 && c.open() {
		h.time = h.time.Add(d)
		c.timers[t] = 0
		c.session.OnTimer(t)
		c.flush()
	}
}

func (c *fakeConn) open() bool { return !c.closed && c.aborted == nil }

func (c *fakeConn) Write(p []byte) int {
	if c.open() {
		c.queue = append(c.queue, p...)
		c.wasHigh = c.wasHigh || len(c.queue) >= c.high
	}
	return len(c.queue)
}

func (c *fakeConn) SendFile(f loop.File, _, _ int64) int {
	panic("a file cannot be sent as it is")
}

func (c *fakeConn) Queued() int                            { return len(c.queue) }
func (c *fakeConn) Full() bool                             { return false }
func (c *fakeConn) Congested() bool                        { return len(c.queue) >= c.high }
func (c *fakeConn) SetWaterMarks(high, low int)            { c.high, c.low = high, low }
func (c *fakeConn) PauseRead()                             { c.paused = true }
func (c *fakeConn) ResumeRead()                            { c.paused, c.eofTold = false, false }
func (c *fakeConn) SetTimer(t loop.Timer, d time.Duration) { c.timers[t] = d }
func (c *fakeConn) Info() *loop.ConnInfo                   { return &c.info }
func (c *fakeConn) Loop() *loop.Loop                       { return c.loop }
func (c *fakeConn) CloseWhenFlushed(linger bool)           { c.closed, c.linger = true, linger }
func (c *fakeConn) CloseWrite()                            {}
func (c *fakeConn) Replace(s loop.Session)                 { c.session, c.paused, c.eofTold = s, false, false }
func (c *fakeConn) Post(fn func()) bool                    { c.posts = append(c.posts, fn); return c.open() }
func (c *fakeConn) Abort(cause error) {
	if c.aborted == nil {
		c.aborted = cause
	}
}

// keeper keeps the exchanges it gets.
type keeper struct{ got []asteri.Exchange }

func (k *keeper) ServeExchange(x asteri.Exchange) { k.got = append(k.got, x) }

func (k *keeper) last(t testing.TB) asteri.Exchange {
	t.Helper()
	if len(k.got) == 0 {
		t.Fatal("the handler got no exchange")
	}
	return k.got[len(k.got)-1]
}

// bodyLog is a BodySink that remembers.
type bodyLog struct {
	body    []byte
	trailer *asteri.Header
	ends    int
	errs    []error
}

func (b *bodyLog) OnBody(p []byte)        { b.body = append(b.body, p...) }
func (b *bodyLog) OnEnd(t *asteri.Header) { b.ends++; b.trailer = t }
func (b *bodyLog) OnError(err error)      { b.errs = append(b.errs, err) }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// fields makes a header of names and values.
func fields(pairs ...string) *asteri.Header {
	h := new(asteri.Header)
	for i := 0; i < len(pairs); i += 2 {
		h.Add(pairs[i], pairs[i+1])
	}
	return h
}
