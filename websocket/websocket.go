// Package websocket makes WebSockets of exchanges: RFC 6455 over HTTP/1.1, RFC
// 8441 over HTTP/2 and RFC 9220 over HTTP/3, with compression (RFC 7692).
//
// A Server has the settings and makes connections in one of two styles:
//
//   - Accept, on an executor: a Conn tells a Handler what comes. Nothing waits
//     and nothing is held for a connection that is silent, so that one process
//     can have very many.
//   - Serve, in a workers.Handler: a Socket has Receive and Send, which wait, as
//     programs do that give each connection a goroutine.
//
// What protocols owe their clients is done in both without the application:
// masks, fragments, the UTF-8 of text, pings and their answers, the handshake at
// the end, a goodbye when the server stops.
package websocket

import (
	"cmp"
	"errors"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/system/perhome"
)

// Kind is what a message is.
type Kind = ws.Opcode

// The kinds of messages. Text is valid UTF-8.
const (
	Text   = ws.Text
	Binary = ws.Binary
)

// Code says why a WebSocket is closed, RFC 6455 section 7.4.1.
type Code = ws.Code

// The codes that applications meet. Their own are 3000 to 4999.
const (
	NormalClosure   = ws.NormalClosure
	GoingAway       = ws.GoingAway
	ProtocolError   = ws.ProtocolError
	NoStatus        = ws.NoStatus // the peer's Close had no code
	Abnormal        = ws.Abnormal // the connection ended without a Close
	PolicyViolation = ws.PolicyViolation
	MessageTooBig   = ws.MessageTooBig
	InternalError   = ws.InternalError
	ServiceRestart  = ws.ServiceRestart
	TryAgainLater   = ws.TryAgainLater
)

// Compression is how a Server compresses messages for clients that can.
type Compression = ws.Compression

// The ways of compression.
const (
	CompressionOn       = ws.CompressionOn
	CompressionTakeover = ws.CompressionTakeover
	CompressionOff      = ws.CompressionOff
)

// Options are the settings of a Server. Zero means the default.
type Options struct {
	// MaxMessageSize is the greatest message that is received, in bytes,
	// decompressed; a greater one closes the connection with 1009. Default 16
	// MiB.
	MaxMessageSize int
	// Compression says whether and how messages are compressed. Default
	// CompressionOn.
	Compression Compression
	// PingInterval is after how much silence of the peer it is sent a ping, and
	// PingTimeout how long it may be silent then before the connection is closed.
	// Both are coarse. Defaults 20 s; negative: no pings.
	PingInterval, PingTimeout time.Duration
	// CloseTimeout is how long a peer that was sent a Close may take to answer, and
	// about how long a handler may take none of the messages that are left of a peer
	// which sends no more. Default 10 s.
	CloseTimeout time.Duration
	// Linger is how long connections live on when the server stops, before they
	// are closed with 1012 (service restart). Default: not at all.
	Linger time.Duration
	// Grace is how long the server takes to stop. Connections that would outlive
	// it are closed shortly before with 1001 (going away). Default 30 s.
	Grace time.Duration
	// SendQueue bounds the bytes that wait for a peer that does not read; a
	// connection with more is ended. Default 64 MiB.
	SendQueue int
	// CheckOrigin decides about requests of browsers by their Origin field; those
	// it does not like are answered 403. Default: a page of this very host, and
	// clients that are no browser.
	CheckOrigin func(r *asteri.Request) bool
	// Logger takes mistakes of applications. Default slog.Default().
	Logger *slog.Logger
}

func (o Options) withDefaults() Options {
	o.MaxMessageSize = cmp.Or(o.MaxMessageSize, 16<<20)
	o.PingInterval = cmp.Or(o.PingInterval, 20*time.Second)
	o.PingTimeout = cmp.Or(o.PingTimeout, 20*time.Second)
	o.CloseTimeout = cmp.Or(o.CloseTimeout, 10*time.Second)
	o.Grace = cmp.Or(o.Grace, 30*time.Second)
	o.SendQueue = cmp.Or(o.SendQueue, 64<<20)
	if o.CheckOrigin == nil {
		o.CheckOrigin = sameOrigin
	}
	if o.Logger == nil {
		o.Logger = slog.Default()
	}
	return o
}

// Server makes WebSockets. It may be used from any executor.
type Server struct {
	options Options
	homes   *perhome.Values[asteri.Executor, home]
	counts  counts
}

// NewServer returns a server with the given settings.
func NewServer(o Options) *Server {
	return &Server{options: o.withDefaults(), homes: perhome.New(newHome)}
}

// Handler is told what comes on a connection, on its executor. It must not block.
type Handler interface {
	// OnMessage takes a message. p is valid until it returns.
	OnMessage(c *Conn, kind Kind, p []byte)
	// OnClose is called once, at the end: nothing more comes, and nothing can be
	// sent.
	OnClose(c *Conn, e Closure)
}

// LateHandler is a Handler that answers messages later than OnMessage returns.
type LateHandler interface {
	Handler
	// OnBreach is called when the peer broke the protocol, as e says. Nothing
	// more comes. The handler may still answer what came before, and calls Close
	// when it has; the connection is closed soon in any case.
	OnBreach(c *Conn, e Closure)
}

// Closure says how a connection ended.
type Closure struct {
	// Code and Reason are the peer's, if it sent a Close. Otherwise the code is
	// the one that it was sent because of a breach of the protocol, or Abnormal.
	Code   Code
	Reason string
	// Clean says that both sides have sent a Close.
	Clean bool
}

// Response is what an application adds to the server's part of the handshake.
type Response struct {
	// Subprotocol is the one chosen of those that Subprotocols gives, or empty.
	Subprotocol string
	// Header holds further fields; nil is none.
	Header *asteri.Header
}

// Accept answers the opening handshake of x and returns the connection, of which
// h is told. It is called on the executor of x. After an error x is answered.
func (s *Server) Accept(x asteri.Exchange, h Handler, r Response) (*Conn, error) {
	req := x.Request()
	if err := s.Check(req); err != nil {
		s.Refuse(x, err)
		return nil, err
	}
	deflate, compressed := s.options.Compression.Negotiate(req.Header.Values("Sec-WebSocket-Extensions"))
	header, err := responseHeader(req, r, deflate.Response)
	if err != nil {
		x.Abort(err)
		return nil, err
	}
	t, err := x.Upgrade(header)
	if err != nil {
		x.Abort(err)
		return nil, err
	}
	c := &Conn{tunnel: t, server: s, home: s.homes.At(t.Home()), handler: h, subprotocol: r.Subprotocol}
	c.decoder.Limit = s.options.MaxMessageSize
	if compressed {
		c.decoder.Inflater = deflate.Inflater()
		c.deflater = deflate.Deflater()
	}
	s.counts.opened.Add(1)
	t.OnShutdown(c.onShutdown)
	c.watchPeer()
	t.Read((*input)(c))
	return c, nil
}

// Refuse answers a handshake with the error of Check.
func (s *Server) Refuse(x asteri.Exchange, cause error) {
	s.counts.refused.Add(1)
	var e *asteri.StatusError
	if errors.As(cause, &e) && e.Code == statusUpgradeRequired {
		h := new(asteri.Header)
		h.Add("Sec-WebSocket-Version", version)
		if x.Request().Protocol == "" {
			h.Add("Upgrade", "websocket") // RFC 9110 section 15.5.22
		}
		if x.Respond(e.Code, h, []byte(e.Reason+"\n")) == nil {
			return
		}
	}
	x.Abort(cause)
}

// counts are what has happened since the start.
type counts struct {
	opened, closed, refused      atomic.Uint64
	messagesIn, messagesOut      atomic.Uint64
	failures                     sync.Map // reason to *atomic.Uint64
	silent, stalled, notAnswered atomic.Uint64
}

func (c *counts) failed(reason string) {
	n, ok := c.failures.Load(reason)
	if !ok {
		n, _ = c.failures.LoadOrStore(reason, new(atomic.Uint64))
	}
	n.(*atomic.Uint64).Add(1)
}

// Stats are counters of a Server, from its start.
type Stats struct {
	// Open is how many connections there are, Opened how many there were.
	Open, Opened uint64
	// Refused is how many handshakes were answered with an error.
	Refused uint64
	// MessagesIn and MessagesOut count messages.
	MessagesIn, MessagesOut uint64
	// Failures counts the connections that were closed because of what the peer
	// sent, by reason.
	Failures map[string]uint64
	// Silent peers did not answer a ping, Stalled ones did not read, and those in
	// NotAnswered did not answer a Close in time.
	Silent, Stalled, NotAnswered uint64
}

// Stats returns the counters. It may be called from any goroutine.
func (s *Server) Stats() Stats {
	c := &s.counts
	closed := c.closed.Load() // first, so that Open is never negative
	st := Stats{
		Opened: c.opened.Load(), Refused: c.refused.Load(),
		MessagesIn: c.messagesIn.Load(), MessagesOut: c.messagesOut.Load(),
		Silent: c.silent.Load(), Stalled: c.stalled.Load(), NotAnswered: c.notAnswered.Load(),
		Failures: map[string]uint64{},
	}
	st.Open = st.Opened - closed
	c.failures.Range(func(reason, n any) bool {
		st.Failures[reason.(string)] = n.(*atomic.Uint64).Load()
		return true
	})
	return st
}
