// Package refresh has browsers on this machine load a page again when the application has
// changed.
//
// A page gets one element more, a script of the server's own. It listens to a stream of events,
// which says what the version is, and loads the page again when that is not the page's.
package refresh

import (
	"crypto/rand"
	_ "embed"
	"log/slog"
	"net/http"
	"strconv"
	"sync"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
)

// Options say where, and for whom.
type Options struct {
	// Path is where the server's own paths begin: the stream is at Path/refresh, the
	// script at Path/refresh.js.
	Path string
	// App is what observers know requests for these by.
	App string
	// Hosts are names by which clients on this machine may ask, beside localhost and
	// addresses.
	Hosts  []string
	Logger *slog.Logger
}

// maxListeners bounds the streams. A page that is not seen has none.
const maxListeners = 64

// Refresher knows the version, and tells it.
type Refresher struct {
	opts   Options
	token  string    // of this process: a server that starts again is a new version
	warned sync.Once // that there are pages which admit no script

	mu        sync.Mutex
	number    int // of the version
	listeners map[*listener]bool
	ended     bool
}

// listener is a page that listens. It belongs to the exchange's home, but for what the
// Refresher posts there.
type listener struct{ x asteri.Exchange }

// New returns a Refresher.
func New(o Options) *Refresher {
	return &Refresher{opts: o, token: rand.Text()[:10], listeners: make(map[*listener]bool)}
}

// version names what pages are made of now.
func (r *Refresher) version() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.lockedVersion()
}

func (r *Refresher) lockedVersion() string { return r.token + "-" + strconv.Itoa(r.number) }

// Changed begins another version, and tells it.
func (r *Refresher) Changed() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.number++
	event := r.event()
	for l := range r.listeners {
		l.x.Post(func() { _, _ = l.x.Write(event) }) // fails if the client has left
	}
}

func (r *Refresher) event() []byte { return []byte("data: " + r.lockedVersion() + "\n\n") }

// End ends the streams, which would hold up a graceful stop, and those that come later at once.
func (r *Refresher) End() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.ended = true
	for l := range r.listeners {
		l.x.Post(func() { _ = l.x.Finish(nil) }) // fails if the client has left
	}
	clear(r.listeners)
}

// Front answers the Refresher's own paths in front of next, to clients on this machine.
func (r *Refresher) Front(next asteri.Handler) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		req := x.Request()
		answer := r.own(string(req.Route))
		if answer == nil || req.Method != http.MethodGet || !local.Began(req, r.opts.Hosts) || local.Foreign(req) {
			next.ServeExchange(x)
			return
		}
		req.Handling.App = r.opts.App
		answer(x)
	})
}

func (r *Refresher) own(path string) func(x asteri.Exchange) {
	switch path {
	case r.opts.Path + "/refresh":
		return r.listen
	case r.opts.Path + "/refresh.js":
		return serveScript
	}
	return nil
}

//go:embed refresh.js
var script []byte

func serveScript(x asteri.Exchange) {
	_ = x.Respond(http.StatusOK, local.Head("text/javascript; charset=utf-8"), script) // fails if the client has left
}

// listen tells a client the version, now and whenever there is another one.
func (r *Refresher) listen(x asteri.Exchange) {
	l := &listener{x}
	if !r.add(l) {
		x.Abort(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "too many pages listen", RetryAfter: 5})
		return
	}
	x.OnCancel(func(error) {
		r.remove(l)
		_ = x.Finish(nil) // one that sends nothing more has left
	})
	if err := x.Start(http.StatusOK, local.Head("text/event-stream; charset=utf-8")); err != nil {
		r.remove(l)
		return
	}
	r.mu.Lock()
	event := r.event() // what is told of a later version comes behind it
	r.mu.Unlock()
	_, _ = x.Write(append([]byte("retry: 500\n"), event...)) // fails if the client has left
}

func (r *Refresher) add(l *listener) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.ended || len(r.listeners) >= maxListeners {
		return false
	}
	r.listeners[l] = true
	return true
}

func (r *Refresher) remove(l *listener) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listeners, l)
}
