package server

import (
	"log/slog"
	"net/http"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/compress"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
	"github.com/asteri/asteri-loop/internal/edge/limit"
	"github.com/asteri/asteri-loop/internal/edge/requestid"
	"github.com/asteri/asteri-loop/internal/edge/static"
	"github.com/asteri/asteri-loop/internal/edge/timing"
)

// layer is a handler in front of another; nil is none.
type layer func(next asteri.Handler) (asteri.Handler, error)

// chain returns what requests pass on their way to the applications, from the first to
// the last. It is made once to find mistakes, before there are status and traces.
func (s *Server) chain(apps asteri.Handler) (asteri.Handler, error) {
	refreshFront, refreshPages := s.development.layers()
	return pass(apps,
		s.cfg.requestIDs(),        // an id, which trusted peers may have given,
		s.cfg.Proxies.layer(),     // the client in the place of its proxies,
		refreshFront,              // what pages listen to for a reload,
		s.statusLayer(),           // the server's own paths,
		s.traceLayer(),            // a place in a trace,
		s.cfg.Rate.layer(),        // no more requests than a client may send,
		s.cfg.Compression.layer(), // responses that are coded,
		refreshPages,              // pages that listen to it,
		s.cfg.Static.layer(s.log), // files,
		s.cfg.timing(),            // and how long the application took
	)
}

// pass puts layers, the first in front, before next.
func pass(next asteri.Handler, layers ...layer) (h asteri.Handler, err error) {
	h = next
	for i := len(layers) - 1; i >= 0 && err == nil; i-- {
		if layers[i] != nil {
			h, err = layers[i](h)
		}
	}
	return h, err
}

func (c *Config) requestIDs() layer {
	if c.RequestID == "" {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) {
		return requestid.Handler(next, c.RequestID, addresses(c.Proxies.Trusted)), nil
	}
}

func (p *Proxies) layer() layer {
	return func(next asteri.Handler) (asteri.Handler, error) { return forwarded.Handler(next, p.options()), nil }
}

// plain makes a layer of what makes no mistakes.
func plain(stand func(next asteri.Handler) asteri.Handler) layer {
	return func(next asteri.Handler) (asteri.Handler, error) { return stand(next), nil }
}

func (s *Server) statusLayer() layer {
	if s.status == nil {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) { return s.status.Handler(next), nil }
}

func (s *Server) traceLayer() layer {
	if s.tracer == nil {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) { return s.tracer.Handler(next), nil }
}

func (r *Rate) layer() layer {
	if r.Requests == 0 {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) {
		return limit.Handler(next, limit.Rate{Requests: r.Requests, Per: r.Per, Burst: r.Burst}, addresses(r.Exempt)), nil
	}
}

func (c *Compression) layer() layer {
	if len(c.Codings) == 0 {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) {
		o, err := c.options()
		if err != nil {
			return nil, &ConfigError{"Compression.Codings", err}
		}
		h, err := compress.New(next, o)
		return h, blame("Compression", err)
	}
}

func (f *Static) layer(log *slog.Logger) layer {
	if len(f.Folders) == 0 {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) {
		h, err := static.New(next, f.options(log))
		return h, blame("Static.Folders", err)
	}
}

func (c *Config) timing() layer {
	if !c.ServerTiming {
		return nil
	}
	return func(next asteri.Handler) (asteri.Handler, error) { return timing.Handler(next), nil }
}

// redirectToTLS sends clients that speak plain HTTP on a port for TLS to the
// same address by https. Methods other than GET and HEAD keep their method and
// body (308).
var redirectToTLS = asteri.HandlerFunc(func(x asteri.Exchange) {
	r := x.Request()
	if len(r.Authority) == 0 || len(r.Path) == 0 || r.Path[0] != '/' {
		x.Abort(&asteri.StatusError{Code: http.StatusBadRequest, Reason: "this port speaks https, and the request names no address there"})
		return
	}
	status := http.StatusPermanentRedirect
	if r.Method == http.MethodGet || r.Method == http.MethodHead {
		status = http.StatusMovedPermanently
	}
	location := "https://" + string(r.Authority) + string(r.Path)
	if len(r.Query) > 0 {
		location += "?" + string(r.Query)
	}
	var h asteri.Header
	h.Add("Location", location)
	h.Add("Content-Type", "text/plain; charset=utf-8")
	_ = x.Respond(status, &h, []byte("this port speaks https\n")) // fails only if the client has left
})
