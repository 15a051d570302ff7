package http1

import (
	"io"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/loop"
)

// fakeConn is a loop.Conn without a loop: input is fed by the test, output is
// kept for it. It keeps the contract of loop.Conn, as far as a session can tell.
type fakeConn struct {
	session loop.Session
	info    loop.ConnInfo
	loop    *loop.Loop
	home    *home

	out     []byte
	discard bool // drop output, for measurements
	queued  int  // what Write reports, if not 0
	timers  [loop.NumTimers]time.Duration

	kept     []byte
	eof      bool
	eofTold  bool
	paused   bool
	closed   bool // the session closed the connection
	linger   bool
	aborted  error
	heavy    bool
	reserved int // by the session and those it works for
	posts    []func()
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

func newFakeConn(h asteri.Handler, opts ...asteri.Option) *fakeConn {
	c := &fakeConn{loop: idleLoop()}
	c.loop.TakeOwnership() // each test has a goroutine of its own
	c.info.Network = "tcp"
	c.info.Remote = netip.MustParseAddrPort("192.0.2.1:4711")
	s := newSession(c, newProtocol(h, opts...).locals.At(c.loop))
	c.session, c.home = s, &home{Loop: c.loop, c: c}
	s.at.Home = c.home
	return c
}

// home is the loop towards exchanges: its clock is the test's, and what is posted runs
// with runPosts.
type home struct {
	*loop.Loop
	c     *fakeConn
	ahead time.Duration
}

func (h *home) Now() time.Time      { return h.Loop.Now().Add(h.ahead) }
func (h *home) Post(fn func()) bool { return h.c.Post(fn) }

// pass lets time pass for exchanges.
func (c *fakeConn) pass(d time.Duration) { c.home.ahead += d }

// Reserve counts memory.
func (c *fakeConn) Heavy() bool   { return c.heavy }
func (c *fakeConn) Reserve(n int) { c.reserved += n }

// feed hands input to the session as the loop does.
func (c *fakeConn) feed(p []byte) {
	c.kept = append(c.kept, p...)
	c.offer()
}

func (c *fakeConn) offer() {
	c.loop.TakeOwnership()
	for len(c.kept) > 0 && c.open() && !c.paused {
		s := c.session
		n, err := s.OnData(c.kept)
		if err != nil {
			c.Abort(err)
			return
		}
		c.kept = c.kept[n:]
		if n == 0 && c.session == s {
			break
		}
	}
	if c.eof && c.open() && !c.paused {
		c.tellEOF()
	}
}

func (c *fakeConn) feedEOF() {
	c.eof = true
	if c.open() {
		c.tellEOF()
	}
}

func (c *fakeConn) tellEOF() {
	if !c.eofTold {
		c.eofTold = true
		c.session.OnEOF()
	}
}

// runPosts runs what was posted, and offers input that was resumed, until there
// is nothing left to do.
func (c *fakeConn) runPosts() {
	for len(c.posts) > 0 {
		fn := c.posts[0]
		c.posts = c.posts[1:]
		fn()
	}
	c.offer()
}

// drain says that the send queue is short again.
func (c *fakeConn) drain() {
	c.queued = 0
	c.session.OnDrain()
	c.runPosts()
}

// expire lets the read timer run out if it is set.
func (c *fakeConn) expire() {
	if c.timers[readTimer] > 0 && c.open() {
		c.pass(c.timers[readTimer])
		c.timers[readTimer] = 0
		c.session.OnTimer(readTimer)
	}
}

func (c *fakeConn) open() bool { return !c.closed && c.aborted == nil }

func (c *fakeConn) take() string {
	s := string(c.out)
	c.out = nil
	return s
}

func (c *fakeConn) Write(p []byte) int {
	if !c.discard && c.open() {
		c.out = append(c.out, p...)
	}
	return c.Queued()
}

func (c *fakeConn) SendFile(f loop.File, off, n int64) int {
	defer f.Close()
	p := make([]byte, n)
	if _, err := io.ReadFull(io.NewSectionReader(f, off, n), p); err != nil {
		c.Abort(err)
	}
	return c.Write(p)
}

func (c *fakeConn) Queued() int                            { return c.queued }
func (c *fakeConn) Full() bool                             { return false }
func (c *fakeConn) Congested() bool                        { return c.queued >= loop.HighWater }
func (c *fakeConn) SetWaterMarks(high, low int)            {}
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

// hello answers every request in the same way.
var hello = asteri.HandlerFunc(func(x asteri.Exchange) {
	_ = x.Respond(200, helloHeader, helloBody)
})

var (
	helloBody   = []byte("Hello, World!")
	helloHeader = func() *asteri.Header {
		h := new(asteri.Header)
		h.Add("Content-Type", "text/plain")
		return h
	}()
)

// keeper keeps the exchanges it gets.
type keeper struct{ got []asteri.Exchange }

func (k *keeper) ServeExchange(x asteri.Exchange) { k.got = append(k.got, x) }

func (k *keeper) last(t *testing.T) asteri.Exchange {
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
