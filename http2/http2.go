// Package http2 speaks HTTP/2 (RFC 9113) to clients, with HPACK (RFC 7541),
// extended CONNECT (RFC 8441) and priorities (RFC 9218).
//
// The parts: session is one connection, serverStream one stream with its exchange
// (package internal/protocol/exchange); frame and encoder are pure codecs. The session is
// given whole frames only, out of the bytes of OnData, and works on them in place.
//
// # What is sent next
//
// The loop's send queue is kept short. Content beyond it waits with its stream, and
// is taken by urgency when the queue has room; streams of one urgency that are
// incremental take turns, others go one after the other (RFC 9218 section 10). The
// priorities of RFC 7540 are checked and otherwise ignored. Until a client says that
// it knows better ones, its streams take turns.
//
// # What is received
//
// The window of the connection is given back as bytes come, that of a stream when
// its handler has consumed them: so a slow stream holds up no other, and what a
// connection can make the server keep is bounded by its streams' windows. These
// grow for clients and handlers that are fast, together by a bound: see window.go.
//
// # What a client may cost
//
// Streams that were reset while their handlers run count as open. Resets, whoever
// sends them, and frames that ask for nothing are paid from two token buckets, which fill
// with time and with useful work; a client that empties one is told
// ENHANCE_YOUR_CALM, and its connection closed. A header section is decoded as it
// comes and never stored beyond its limit.
package http2

import (
	"cmp"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/system/perhome"
	"github.com/asteri/asteri-loop/loop"
)

// Config are the settings of HTTP/2 alone. Zero values mean the defaults.
type Config struct {
	// MaxConcurrentStreams is how many streams a client may have open at a
	// time on one connection. Default 100.
	MaxConcurrentStreams int
	// InitialWindow is how many bytes of content a client may send on a stream
	// before its handler has consumed some, 65535 to 2^31-1. It grows while
	// client and handler are faster than that allows, up to ConnectionWindow.
	// Default 65535.
	InitialWindow int
	// ConnectionWindow is how many bytes of content may be on their way on a
	// connection, and how far the windows of its streams grow together, 65535 to
	// 2^31-1. Default 1 MiB.
	ConnectionWindow int
	// MaxFrameSize is the largest frame that a client may send, 16384 to
	// 2^24-1 bytes. Default 16384.
	MaxFrameSize int
	// StallTimeout is how long a client may keep content waiting by not opening
	// its windows. Default 30 s; negative: for ever.
	StallTimeout time.Duration
	// NoCleartext refuses connections without TLS, which otherwise are taken
	// if they begin with the preface of HTTP/2.
	NoCleartext bool
}

func (c Config) withDefaults() Config {
	c.MaxConcurrentStreams = cmp.Or(c.MaxConcurrentStreams, 100)
	c.InitialWindow = min(max(c.InitialWindow, defaultWindow), maxWindow)
	c.ConnectionWindow = min(max(cmp.Or(c.ConnectionWindow, 1<<20), defaultWindow), maxWindow)
	c.MaxFrameSize = min(max(c.MaxFrameSize, minMaxFrameSize), maxMaxFrameSize)
	c.StallTimeout = cmp.Or(c.StallTimeout, 30*time.Second)
	return c
}

// Protocol returns the protocol that serves h with the default Config. It may be
// used by several listeners and engines at the same time.
func Protocol(h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	return Config{}.Protocol(h, opts...)
}

// Protocol is like the function of that name, for the settings of c.
func (c Config) Protocol(h asteri.Handler, opts ...asteri.Option) loop.Protocol {
	p := &protocol{config: c.withDefaults(), settings: httpfield.Settings(h, opts...)}
	p.locals = perhome.New(p.newLocal)
	return p
}

type protocol struct {
	config   Config
	settings asteri.Settings
	locals   *perhome.Values[*loop.Loop, local]
}

// Name returns the ALPN name.
func (p *protocol) Name() string { return "h2" }

// Match takes connections that negotiated HTTP/2, and those without ALPN that
// begin with its preface: the client knew in advance (RFC 9113 section 3.3).
func (p *protocol) Match(alpn string, head []byte) loop.Verdict {
	n := min(len(head), len(preface))
	switch {
	case alpn == "h2":
		return loop.Yes
	case alpn != "" || p.config.NoCleartext || string(head[:n]) != preface[:n]:
		return loop.No
	case n < len(preface):
		return loop.Maybe
	}
	return loop.Yes
}

// NewSession starts a session.
func (p *protocol) NewSession(c loop.Conn) loop.Session {
	return newSession(c, p.locals.At(c.Loop()))
}

func (p *protocol) newLocal(l *loop.Loop) *local { return newLocal(p, l) }
