// Package static serves files, in front of an application.
//
// A handler maps prefixes of the request path to folders. What it knows of a path
// it believes for a second; only then, and on a goroutine of its own pool, it asks
// the disk. The content of small files is kept in memory, larger ones are kept
// open and sent by the system.
package static

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/urlpath"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// Mount says that the files of a folder are served below a path.
type Mount struct {
	// Prefix is a decoded path such as "/static", which stands for itself and
	// for what follows it after a slash. A slash at its end does not count.
	Prefix string
	// Dir is the folder. It may be replaced while it is served.
	Dir string
}

// Options say what is served, and how.
type Options struct {
	// Mounts are the folders. The longest prefix of a path decides.
	Mounts []Mount
	// MaxAge, in whole seconds, is how long clients may use a file without
	// asking again. Zero leaves it to them.
	MaxAge time.Duration
	// Fallthrough passes requests for what is no file to the next handler,
	// and those with methods other than GET and HEAD. Without it they are
	// answered 404 and 405. At the prefix "/" it always does: there would be
	// no next handler otherwise.
	Fallthrough bool
	// FollowSymlinks lets symbolic links lead out of the folder. Without it
	// only those that stay within are followed.
	FollowSymlinks bool
	// CacheSize bounds the memory for files, in bytes. Default 32 MiB.
	CacheSize int64
	// Logger takes what an operator should know: files that may not be read.
	Logger *slog.Logger
}

// Handler serves files.
type Handler struct {
	next   asteri.Handler
	mounts []mount
	cache  *cache
	log    *slog.Logger
}

// mount is a Mount made ready.
type mount struct {
	prefix         string // without a slash at its end
	dir            string
	fallthru       bool
	followSymlinks bool
	cacheControl   string // empty for none
}

// diskJobs is how many goroutines wait for the disk at once.
const diskJobs = 8

// New returns a handler that serves the files of o.Mounts and leaves other
// requests to next.
func New(next asteri.Handler, o Options) (*Handler, error) {
	h := &Handler{next: next, log: o.Logger}
	if h.log == nil {
		h.log = slog.New(slog.DiscardHandler)
	}
	h.cache = newCache(cmp.Or(o.CacheSize, 32<<20), jobs.NewPool(diskJobs))
	seen := make(map[string]bool)
	for _, from := range o.Mounts {
		m := mount{
			prefix: strings.TrimRight(from.Prefix, "/"), dir: from.Dir,
			fallthru: o.Fallthrough, followSymlinks: o.FollowSymlinks, cacheControl: cacheControl(o.MaxAge),
		}
		m.fallthru = m.fallthru || m.prefix == ""
		if err := m.check(); err != nil {
			return nil, err
		}
		if seen[m.prefix] {
			return nil, fmt.Errorf("static files: two folders for %s/", m.prefix)
		}
		seen[m.prefix] = true
		h.mounts = append(h.mounts, m)
	}
	slices.SortStableFunc(h.mounts, func(a, b mount) int { return len(b.prefix) - len(a.prefix) })
	return h, nil
}

func (m *mount) check() error {
	if m.prefix != "" && m.prefix[0] != '/' {
		return fmt.Errorf("static files: prefix %q does not begin with a slash", m.prefix)
	}
	info, err := os.Stat(m.dir)
	if err != nil {
		return fmt.Errorf("static files: %w", err)
	}
	if !info.IsDir() {
		return fmt.Errorf("static files: %s is not a directory", m.dir)
	}
	return nil
}

func cacheControl(maxAge time.Duration) string {
	if maxAge == 0 {
		return ""
	}
	return "public, max-age=" + strconv.FormatInt(int64(maxAge/time.Second), 10)
}

// Close closes the files that are kept open. Requests are still answered.
func (h *Handler) Close() { h.cache.close() }

// ServeExchange answers a request for a file.
func (h *Handler) ServeExchange(x asteri.Exchange) {
	path := x.Request().Route
	for i := range h.mounts {
		if rest, ok := urlpath.Cut(path, h.mounts[i].prefix); ok {
			h.serve(x, &h.mounts[i], rest)
			return
		}
	}
	h.next.ServeExchange(x)
}

func (h *Handler) serve(x asteri.Exchange, m *mount, rest []byte) {
	r := x.Request()
	if r.Ambiguous && !m.fallthru {
		x.Abort(asteri.ErrAmbiguousPath)
		return
	}
	if r.Method != http.MethodGet && r.Method != http.MethodHead {
		h.refuseMethod(x, m)
		return
	}
	var room [256]byte
	key := append(room[:0], m.prefix...)
	if len(rest) > 0 || m.prefix == "" {
		key = append(key, '/')
	}
	key, ok := resolve(key, rest, m.prefix == "")
	if !ok {
		_ = h.respond(x, m, &entry{kind: missing})
		return
	}
	if e := h.cache.get(key, r.Received); e != nil {
		h.answer(x, m, e)
		return
	}
	h.load(x, m, string(key))
}

// load answers once the disk was asked.
func (h *Handler) load(x asteri.Exchange, m *mount, key string) {
	look := func(old *entry) *entry { return m.lookup(key, old, h.log) }
	h.cache.load(key, look, func(e *entry) {
		x.Post(func() { h.answer(x, m, e) })
	})
}

// answer answers with what e says. If a file in it was closed meanwhile, another
// is opened for this request alone.
func (h *Handler) answer(x asteri.Exchange, m *mount, e *entry) {
	err := h.respond(x, m, e)
	switch {
	case err == nil:
	case errors.Is(err, errForgotten):
		h.cache.pool.Go(func() {
			own := m.lookup(e.key, nil, h.log)
			if !x.Post(func() { h.settle(x, h.respond(x, m, own)); own.close() }) {
				own.close()
			}
		})
	default:
		h.settle(x, err)
	}
}

// settle ends an exchange whose response failed.
func (h *Handler) settle(x asteri.Exchange, err error) {
	if err == nil || errors.Is(err, asteri.ErrClosed) {
		return
	}
	h.log.Error("a static file cannot be sent", x.Request().LogAttr(), slog.Any("error", err))
	x.Abort(&asteri.StatusError{Code: http.StatusServiceUnavailable, RetryAfter: descriptors.RetryAfter})
}

func (h *Handler) refuseMethod(x asteri.Exchange, m *mount) {
	if m.fallthru {
		h.next.ServeExchange(x)
		return
	}
	var head asteri.Header
	head.Add("Allow", "GET, HEAD")
	_ = respondText(x, http.StatusMethodNotAllowed, &head)
}
