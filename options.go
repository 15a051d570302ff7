package asteri

import (
	"log/slog"
	"math"
	"time"
)

// Limits bound what a client may send. Zero means the default; a negative
// number means no limit. Exceeding one is answered with the status named.
type Limits struct {
	// RequestLine is the length of the request line in bytes, without its
	// line end. Default 4094; 414.
	RequestLine int
	// Fields is the number of header fields, and of trailer fields.
	// Default 100; 431.
	Fields int
	// FieldSize is the length of one field line in bytes. Default 8190; 431.
	FieldSize int
	// Head is the length of the whole head in bytes. Default 64 KiB; 431.
	Head int
	// Body is the length of the request content in bytes. Default 1 GiB; 413.
	Body int64
}

// Timeouts bound what a client may let the server wait for. Zero means the
// default; a negative duration means none.
type Timeouts struct {
	// Header is for a head to become complete, from its first byte (for the
	// first request: from the start of the connection). Default 10 s; 408.
	Header time.Duration
	// Body is for the next body bytes to arrive while they are asked for.
	// Default 30 s; 408.
	Body time.Duration
	// BodyRate is the least rate of an incoming body, in bytes a second,
	// over all the time that it was waited for, once that is more than
	// RateGrace. Default 240; 408.
	BodyRate int
	// ResponseRate is the least rate, in bytes a second, at which a client
	// takes a response that waits for nobody else, on average over at least
	// RateGrace. Default 240; the stream is reset. That of a whole connection
	// over TCP is loop.Config's MinWriteRate.
	ResponseRate int
	// RateGrace is the shortest time over which rates are judged. Default 5 s.
	RateGrace time.Duration
	// KeepAlive is for the next request to begin, or the first one. Default
	// 2 s; closed.
	KeepAlive time.Duration
	// Handler is for a handler that has kept its exchange, while its client can do
	// nothing but wait: for the response to begin, or for content that was
	// delivered to be consumed. Of a client that sends nothing more, and has perhaps
	// left, a response that has begun and a tunnel must go on within that time, too.
	// It is found between one and two times Handler later. Default 60 s; 504, or a
	// reset. Exchange.SetTimeout sets another one.
	Handler time.Duration
}

// Settings are what every protocol needs to serve exchanges. Protocol
// constructors make them of a handler and options.
type Settings struct {
	Handler  Handler
	Limits   Limits
	Timeouts Timeouts
	// NoKeepAlive has connections closed once what was asked for is
	// answered: those of HTTP/1 after one response, others when no stream
	// is left.
	NoKeepAlive bool
	// Server is the value of the Server response field; empty for none.
	Server string
	// AltSvc is the value of the Alt-Svc field (RFC 7838) of responses over
	// TLS, which tells clients of HTTP/3; empty for none. HTTP/3 itself
	// sends none.
	AltSvc string
	// RequestIDField is the name of the response field that tells the client
	// the request's id (Handling.ID) where there is one; empty for none. An
	// application's own field of the name stays in its place.
	RequestIDField string
	// Observer may be nil.
	Observer Observer
	// Logger takes what an operator should know: application mistakes,
	// panics. Refused requests go to the Observer only. Default slog.Default().
	Logger *slog.Logger
}

// Option changes Settings.
type Option func(*Settings)

// WithLimits replaces the limits.
func WithLimits(l Limits) Option { return func(s *Settings) { s.Limits = l } }

// WithTimeouts replaces the timeouts.
func WithTimeouts(t Timeouts) Option { return func(s *Settings) { s.Timeouts = t } }

// WithoutKeepAlive keeps no connection for further requests.
func WithoutKeepAlive() Option { return func(s *Settings) { s.NoKeepAlive = true } }

// WithServer sets the Server response field; empty sends none.
func WithServer(name string) Option { return func(s *Settings) { s.Server = name } }

// WithAltSvc sets the Alt-Svc response field; empty sends none.
func WithAltSvc(value string) Option { return func(s *Settings) { s.AltSvc = value } }

// WithRequestIDField sets the response field for the request's id; empty sends none.
func WithRequestIDField(name string) Option {
	return func(s *Settings) { s.RequestIDField = name }
}

// WithObserver sets who is told of each exchange's end.
func WithObserver(o Observer) Option { return func(s *Settings) { s.Observer = o } }

// WithLogger sets the logger.
func WithLogger(l *slog.Logger) Option { return func(s *Settings) { s.Logger = l } }

// NewSettings applies options to the defaults.
func NewSettings(h Handler, opts ...Option) Settings {
	s := Settings{Handler: h, Server: "asteri-loop"}
	for _, o := range opts {
		o(&s)
	}
	s.Limits = s.Limits.withDefaults()
	s.Timeouts = s.Timeouts.withDefaults()
	if s.Logger == nil {
		s.Logger = slog.Default()
	}
	return s
}

func (l Limits) withDefaults() Limits {
	l.RequestLine = pick(l.RequestLine, 4094, math.MaxInt)
	l.Fields = pick(l.Fields, 100, math.MaxInt)
	l.FieldSize = pick(l.FieldSize, 8190, math.MaxInt)
	l.Head = pick(l.Head, 64<<10, math.MaxInt)
	l.Body = pick(l.Body, 1<<30, math.MaxInt64)
	return l
}

func (t Timeouts) withDefaults() Timeouts {
	t.Header = pick(t.Header, 10*time.Second, 0)
	t.Body = pick(t.Body, 30*time.Second, 0)
	t.BodyRate = pick(t.BodyRate, 240, 0)
	t.ResponseRate = pick(t.ResponseRate, 240, 0)
	t.RateGrace = pick(t.RateGrace, 5*time.Second, 0)
	t.KeepAlive = pick(t.KeepAlive, 2*time.Second, 0)
	t.Handler = pick(t.Handler, time.Minute, 0)
	return t
}

// pick returns def for zero and none for a negative value: the largest value of
// a limit, so that users compare without a special case, and zero for a
// timeout, which is how timers are told not to run.
func pick[T int | int64 | time.Duration](v, def, none T) T {
	switch {
	case v == 0:
		return def
	case v < 0:
		return none
	}
	return v
}
