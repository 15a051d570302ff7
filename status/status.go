// Package status answers questions about the server itself, in front of the
// application and on the event loop: a busy or stuck application cannot keep
// them waiting.
package status

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"time"

	"github.com/asteri/asteri-loop"
)

// The paths, matched exactly.
const (
	LivePath  = "/livez"
	ReadyPath = "/readyz"
	JSONPath  = "/asteri-status.json"
)

// pagePrefix begins the paths that belong to the server alone: who may not look
// is refused, and the application does not get them.
const pagePrefix = "/asteri-status"

// Options say what there is to tell, and to whom.
type Options struct {
	// Allow are networks whose clients may look, beside this machine's.
	Allow []netip.Prefix
	// Ready returns why the server should get no traffic now, or nil. It is
	// called on the event loop and must not block. Without it the server is
	// always ready.
	Ready func() error
	// Report returns the document for JSONPath, but for what Ready says. It
	// is called on the event loop and must not block. Without it the
	// document is empty.
	Report func() Report
}

// Report is the document at JSONPath.
type Report struct {
	Server Server `json:"server"`
	// Ready is what ReadyPath says.
	Ready bool `json:"ready"`
	// Reason says why the server is not ready.
	Reason      string      `json:"reason,omitempty"`
	Application Application `json:"application"`
	// Mounts are further applications.
	Mounts []Application `json:"mounts,omitempty"`
	// Connections is the number of open client connections.
	Connections int64 `json:"connections"`
	// Handshakes is the number of unfinished TLS handshakes.
	Handshakes int `json:"handshakes"`
	// BufferBytes is the memory that buffers of connections use.
	BufferBytes int64 `json:"buffer_bytes"`
	// Refused counts connections that were closed before a protocol had
	// them, by reason.
	Refused map[string]uint64 `json:"refused,omitempty"`
	Loops   []Loop            `json:"loops"`
	// HTTP3 is there if HTTP/3 is spoken.
	HTTP3 *HTTP3 `json:"http3,omitempty"`
	// WebSockets is there once one was asked for.
	WebSockets *WebSockets `json:"websockets,omitempty"`
	// Workers and Queue are there if the model counts its requests.
	Workers []Worker `json:"workers,omitempty"`
	Queue   *Queue   `json:"queue,omitempty"`
}

// Server identifies the server process.
type Server struct {
	Name    string    `json:"name"`
	Version string    `json:"version"`
	PID     int       `json:"pid"`
	Started time.Time `json:"started"`
	// Uptime is in seconds.
	Uptime float64 `json:"uptime_seconds"`
}

// Application says what is being served.
type Application struct {
	// Name is what the user gave, empty for the demonstration.
	Name string `json:"name"`
	// Interface is "wsgi", "asgi", "tornado" or "go".
	Interface string `json:"interface,omitempty"`
	// Model is the worker model.
	Model string `json:"model"`
	// At is the host and path where the application is mounted, if it is.
	At string `json:"at,omitempty"`
}

// Loop is one event loop.
type Loop struct {
	ID int `json:"id"`
	// Active says that the loop gets new connections.
	Active bool `json:"active"`
	// Connections are open now; Accepted were since the start.
	Connections int64  `json:"connections"`
	Accepted    uint64 `json:"accepted"`
}

// Worker is one worker process.
type Worker struct {
	PID   int    `json:"pid"`
	Model string `json:"model"`
	// At is where its application is mounted, if it is.
	At string `json:"at,omitempty"`
	// State is the supervisor's word for what the worker is doing.
	State string `json:"state"`
	// InFlight requests are with the worker, Served were answered by it.
	InFlight int    `json:"in_flight"`
	Served   uint64 `json:"served"`
	// WebSockets is how many it has open, which are not in flight.
	WebSockets int `json:"websockets,omitempty"`
	// Age is the time since the start of the process, in seconds.
	Age float64 `json:"age_seconds"`
}

// WebSockets counts those of all applications, from the start.
type WebSockets struct {
	Open   uint64 `json:"open"`
	Opened uint64 `json:"opened"`
	// Refused opening handshakes were malformed.
	Refused     uint64 `json:"refused"`
	MessagesIn  uint64 `json:"messages_in"`
	MessagesOut uint64 `json:"messages_out"`
	// Failures counts those that were closed because of what the client sent,
	// by reason.
	Failures map[string]uint64 `json:"failures,omitempty"`
	// Silent clients answered no ping, Stalled ones did not read, NotAnswered
	// ones did not answer a Close.
	Silent      uint64 `json:"silent"`
	Stalled     uint64 `json:"stalled"`
	NotAnswered uint64 `json:"not_answered"`
}

// Queue holds the requests that no worker could take yet.
type Queue struct {
	Waiting  int `json:"waiting"`
	Capacity int `json:"capacity"`
}

// Handler answers the server's own paths and leaves everything else to next.
// Clients that may not look get their /livez and /readyz from next, and 403 for
// what begins with /asteri-status.
func Handler(next asteri.Handler, o Options) asteri.Handler {
	if o.Ready == nil {
		o.Ready = func() error { return nil }
	}
	if o.Report == nil {
		o.Report = func() Report { return Report{} }
	}
	return &handler{next: next, opts: o}
}

type handler struct {
	next asteri.Handler
	opts Options
}

// ServeExchange implements asteri.Handler.
func (h *handler) ServeExchange(x asteri.Exchange) {
	r := x.Request()
	answer := h.route(r.Path)
	switch {
	case answer == nil:
		h.next.ServeExchange(x)
	case !mayLook(r, h.opts.Allow):
		if underPage(r.Path) {
			refuse(x, http.StatusForbidden, "for clients on this machine only\n")
			return
		}
		h.next.ServeExchange(x)
	case r.Method != http.MethodGet && r.Method != http.MethodHead:
		refuse(x, http.StatusMethodNotAllowed, "GET and HEAD only\n")
	default:
		answer(x)
	}
}

// route returns what answers path, or nil if it is the application's.
func (h *handler) route(path []byte) func(asteri.Exchange) {
	switch string(path) {
	case LivePath:
		return h.live
	case ReadyPath:
		return h.ready
	case JSONPath:
		return h.report
	}
	if underPage(path) {
		return notFound
	}
	return nil
}

// underPage tells whether path is the server's own, whoever asks.
func underPage(path []byte) bool {
	const n = len(pagePrefix)
	return len(path) >= n && string(path[:n]) == pagePrefix && (len(path) == n || path[n] == '/' || string(path[n:]) == ".json")
}

func (h *handler) live(x asteri.Exchange) { respond(x, http.StatusOK, plainText, "ok\n") }

func (h *handler) ready(x asteri.Exchange) {
	if err := h.opts.Ready(); err != nil {
		respond(x, http.StatusServiceUnavailable, plainText, err.Error()+"\n")
		return
	}
	respond(x, http.StatusOK, plainText, "ready\n")
}

func (h *handler) report(x asteri.Exchange) {
	doc := h.opts.Report()
	doc.Ready = true
	if err := h.opts.Ready(); err != nil {
		doc.Ready, doc.Reason = false, err.Error()
	}
	text, err := json.MarshalIndent(doc, "", "  ")
	if err != nil {
		x.Abort(err)
		return
	}
	respond(x, http.StatusOK, "application/json", string(append(text, '\n')))
}

func notFound(x asteri.Exchange) { respond(x, http.StatusNotFound, plainText, "not found\n") }

const plainText = "text/plain; charset=utf-8"

func respond(x asteri.Exchange, code int, contentType, body string) {
	var h asteri.Header
	h.Add("Content-Type", contentType)
	h.Add("Cache-Control", "no-store")
	send(x, code, &h, body)
}

func refuse(x asteri.Exchange, code int, body string) {
	var h asteri.Header
	h.Add("Content-Type", plainText)
	if code == http.StatusMethodNotAllowed {
		h.Add("Allow", "GET, HEAD")
	}
	send(x, code, &h, body)
}

// send answers. That it may fail because the client has left is no concern.
func send(x asteri.Exchange, code int, h *asteri.Header, body string) {
	_ = x.Respond(code, h, []byte(body))
}
