// Package traceback shows a developer why an application has failed, in the place of an answer
// of the application. It tells clients on this machine only: what it shows are secrets.
package traceback

import (
	"bytes"
	"crypto/rand"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Options say what is shown, and to whom.
type Options struct {
	// Hosts are names by which clients on this machine may ask, beside localhost and
	// addresses.
	Hosts []string
	// Standing returns the page that stands for the application, or nil.
	Standing func() *Page
	// Serving tells whether the application can answer others meanwhile. Without, they
	// are answered 503.
	Serving func() bool
	// Of, if not nil, tells what there is to show of what a request was aborted for, if
	// that was a failure of the application.
	Of func(cause error) (Failure, bool)
}

// maxMaking is how many pages are made at a time.
const maxMaking = 4

type handler struct {
	Options
	next asteri.Handler
	work *jobs.Pool
}

// Handler has pages stand in for answers of next.
func Handler(next asteri.Handler, o Options) asteri.Handler {
	return &handler{o, next, jobs.NewPool(maxMaking)}
}

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	near := local.Began(x.Request(), h.Hosts)
	switch page := h.Standing(); {
	case page != nil && near && !opens(x.Request()):
		page.answer(x)
	case page != nil && !h.Serving():
		x.Abort(&asteri.StatusError{Code: http.StatusServiceUnavailable, Reason: "the application cannot be started", RetryAfter: 1})
	case near && h.Of != nil:
		h.next.ServeExchange(&attempt{Exchange: x, handler: h})
	default:
		h.next.ServeExchange(x)
	}
}

// opens tells whether a request is to become something else, such as a WebSocket, whose client
// would show no page.
func opens(r *asteri.Request) bool { return r.Protocol != "" || r.Header.Has("Upgrade") }

// nonce lets the page have a style, and a script that has it load again, and nothing else.
var nonce = rand.Text()

var policy = "default-src 'none'; style-src 'unsafe-inline'; script-src 'nonce-" + nonce + "'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

// answer answers with the page, as the client likes it.
func (p *Page) answer(x asteri.Exchange) {
	body, h := p.text, local.Head("text/plain; charset=utf-8")
	if acceptsHTML(&x.Request().Header) {
		body, h = p.html, local.Head("text/html; charset=utf-8")
		h.Add("Content-Security-Policy", policy)
	}
	_ = x.Respond(http.StatusInternalServerError, h, body) // fails if the client has left
}

// acceptsHTML tells whether somebody reads the answer in a browser.
func acceptsHTML(h *asteri.Header) bool {
	for list := range h.Values("Accept") {
		if bytes.Contains(list, []byte("text/html")) {
			return true
		}
	}
	return false
}

// attempt is an exchange whose abort may be shown.
type attempt struct {
	asteri.Exchange
	*handler
	begun bool // a response
}

// Start begins the response.
func (a *attempt) Start(status int, h *asteri.Header) error {
	a.begun = true
	return a.Exchange.Start(status, h)
}

// Respond answers in one call.
func (a *attempt) Respond(status int, h *asteri.Header, body []byte) error {
	a.begun = true
	return a.Exchange.Respond(status, h, body)
}

// Upgrade ends HTTP.
func (a *attempt) Upgrade(h *asteri.Header) (asteri.Tunnel, error) {
	a.begun = true
	return a.Exchange.Upgrade(h)
}

// Abort shows the cause, if it is a failure of the application and can still be shown.
func (a *attempt) Abort(cause error) {
	failure, is := a.Of(cause)
	if a.begun || !is {
		a.Exchange.Abort(cause)
		return
	}
	a.begun = true
	a.work.Go(func() {
		page := New(failure)
		a.Post(func() { page.answer(a.Exchange) }) // not if the client has left
	})
}
