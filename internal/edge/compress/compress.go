// Package compress codes the responses of another handler with gzip, zstd or
// brotli, as the client accepts them (RFC 9110 section 12.5.3).
//
// A response is streamed as it comes: what a handler has written when its turn on
// the executor ends is sent, and each write of an event stream at once. Short
// content is coded on the executor itself; what would hold it up goes to a bounded
// pool of goroutines.
//
// Coding a page that holds both a secret and something that an attacker chose lets
// him find out the secret by the length of the response, encrypted or not (BREACH).
// It is for the application to mask such secrets, or to say no-transform.
package compress

import (
	"runtime"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/edge/media"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Options say what is compressed, and how.
type Options struct {
	// Codings are offered in this order to clients that like them equally.
	Codings []Coding
	// MinLength is the Content-Length from which a response is worth it, in
	// bytes. One without that field always is.
	MinLength int64
	// Types are media types, such as "text/html" or "text/*", in lower case.
	// Without any it is those that media.Compressible knows.
	Types []string
}

// maxBodies bounds the responses that are being compressed: each has an encoder
// of one to two MiB. Those beyond it are sent as they are.
const maxBodies = 256

// handler compresses the responses of next.
type handler struct {
	next      asteri.Handler
	coders    []*coders
	offer     []accept.Coding // the codings of coders, and identity
	minLength int64
	types     []string

	bodies atomic.Int64
	idle   sync.Pool // of *exchange
	pool   *jobs.Pool
}

// New returns a handler that compresses the responses of next.
func New(next asteri.Handler, o Options) (asteri.Handler, error) {
	h := &handler{
		next: next, minLength: o.MinLength, types: o.Types,
		pool: jobs.NewPool(runtime.GOMAXPROCS(0)),
	}
	h.idle.New = func() any {
		x := &exchange{handler: h}
		x.onEnd = x.cancelled
		return x
	}
	for _, c := range o.Codings {
		p, err := newCoders(c)
		if err != nil {
			return nil, err
		}
		h.coders = append(h.coders, p)
		h.offer = append(h.offer, c.Coding)
	}
	h.offer = append(h.offer, accept.Identity)
	return h, nil
}

// ServeExchange has next answer x.
func (h *handler) ServeExchange(x asteri.Exchange) {
	w := h.idle.Get().(*exchange)
	w.Exchange, w.serving = x, true
	defer w.served()
	h.next.ServeExchange(w)
	w.serving = false
}

// compressible tells whether content of this type is to be compressed.
func (h *handler) compressible(contentType []byte) bool {
	if len(h.types) == 0 {
		return media.Compressible(contentType)
	}
	name, _, _ := strings.Cut(string(contentType), ";")
	name = strings.ToLower(strings.TrimSpace(name))
	for _, t := range h.types {
		if prefix, open := strings.CutSuffix(t, "*"); t == name || open && strings.HasPrefix(name, prefix) {
			return true
		}
	}
	return false
}

// coder returns an encoder of the coding that the client likes best, or nil if it
// is to get the response as it is.
func (h *handler) coder(r *asteri.Request) *coder {
	if r.Proto == asteri.HTTP10 {
		return nil // content of unknown length would cost it the connection
	}
	q := accept.Encodings(&r.Header)
	best, _ := q.Best(h.offer...)
	if best == accept.Identity {
		return nil
	}
	if h.bodies.Add(1) > maxBodies {
		h.bodies.Add(-1)
		return nil
	}
	for i, c := range h.offer {
		if c == best {
			return h.coders[i].get()
		}
	}
	return nil
}

// release takes back an encoder that nobody uses any more.
func (h *handler) release(c *coder) {
	h.bodies.Add(-1)
	c.from.put(c)
}
