package proxy

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// watch ends a request whose server stands still for too long. It knows whose turn it
// is by what is being waited for: while that is the client, to whom a response is
// written or who is to send more of the content, no time passes.
type watch struct {
	limit  time.Duration // 0: none
	cancel context.CancelCauseFunc

	mu    sync.Mutex
	timer *time.Timer   // nil without a limit
	since time.Duration // when the server's turn began, by the clock of deadlines
	// awaited and reading are what the server is to do, asking what the client is to
	// do first. Once the response has begun the server may leave content unread.
	awaited bool // begin its response
	reading bool // go on with it
	asking  bool // the client: send more content
	over    bool
}

// errLate is the cause with which the context of a request ends whose server is late.
var errLate = errors.New("server stands still")

// isLate tells whether a request has ended for its server's slowness.
func isLate(ctx context.Context) bool { return errors.Is(context.Cause(ctx), errLate) }

// newWatch returns a context for a request that is about to be sent, which is to be
// stopped.
func newWatch(parent context.Context, limit time.Duration) (context.Context, *watch) {
	ctx, cancel := context.WithCancelCause(parent)
	w := &watch{limit: limit, cancel: cancel, since: awake.Now(), awaited: true}
	if limit > 0 {
		w.timer = time.AfterFunc(limit, w.look)
	}
	return ctx, w
}

func (w *watch) serversTurn() bool { return !w.over && !w.asking && (w.awaited || w.reading) }

// turn changes what is being waited for.
func (w *watch) turn(change func()) {
	w.mu.Lock()
	defer w.mu.Unlock()
	change()
	switch {
	case w.timer == nil:
	case w.serversTurn():
		w.since = awake.Now()
		w.timer.Reset(w.limit)
	default:
		w.timer.Stop()
	}
}

// look runs when the timer has fired, perhaps for a turn that is over.
func (w *watch) look() {
	w.mu.Lock()
	left := w.limit - (awake.Now() - w.since)
	late := w.serversTurn() && left <= 0
	if w.serversTurn() && !late { // this process was stopped meanwhile
		w.timer.Reset(left)
	}
	w.mu.Unlock()
	if late {
		w.cancel(errLate)
	}
}

func (w *watch) began() { w.turn(func() { w.awaited = false }) }

func (w *watch) stop() {
	w.turn(func() { w.over = true })
	w.cancel(nil)
}

// requestBody is the content of a request, as it is read for the server.
type requestBody struct {
	io.ReadCloser
	watch *watch
	ended func()
}

// takenAtOnce bounds a piece of a request's content, so that a server which is slow to
// take it is seen to go on.
const takenAtOnce = 16 << 10

// Read waits for the client.
func (b *requestBody) Read(p []byte) (int, error) {
	b.watch.turn(func() { b.watch.asking = true })
	n, err := b.ReadCloser.Read(p[:min(len(p), takenAtOnce)])
	if errors.Is(err, io.EOF) {
		b.ended()
	}
	b.watch.turn(func() { b.watch.asking = false })
	return n, err
}

// content is the content of a response. It logs why there is no more of it, unless it is
// the client who has left.
type content struct {
	io.ReadCloser
	request *http.Request // of the server
	client  *asteri.Request
	watch   *watch
	log     *slog.Logger
}

// Read waits for the server. It fails with context.Canceled, of which ReverseProxy makes
// no line of its own before it aborts the client's response.
func (c *content) Read(p []byte) (int, error) {
	c.watch.turn(func() { c.watch.reading = true })
	n, err := c.ReadCloser.Read(p)
	c.watch.turn(func() { c.watch.reading = false })
	if err == nil || errors.Is(err, io.EOF) {
		return n, err
	}
	ctx := c.request.Context()
	attrs := []any{c.client.LogAttr(), "url", c.request.URL.Redacted(), "error", err}
	switch {
	case isLate(ctx):
		c.log.Warn("server behind a mount does not go on with its response", attrs...)
	case ctx.Err() == nil:
		c.log.Warn("server behind a mount broke off its response", attrs...)
	}
	return n, context.Canceled
}
