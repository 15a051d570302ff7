package status

import (
	"net/http"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
)

// route is what is at one path.
type route struct {
	needs access
	// shared says that the path is the application's for who may not look.
	shared bool
	// post says that it takes POST and nothing else; others take GET and HEAD.
	post  bool
	serve func(*visit)
}

// OwnApp is what observers know the server's own requests by: Request.Handling.App.
const OwnApp = "asteri-status"

// table returns the routes by path.
func (s *Monitor) table() map[string]route {
	if s.opts.Unseen {
		return nil
	}
	t := map[string]route{
		s.opts.LivePath:  {needs: public, shared: true, serve: s.live},
		s.opts.ReadyPath: {needs: public, shared: true, serve: s.ready},
	}
	if s.opts.MetricsPath != "" {
		s.metrics = newMetrics(s)
		t[s.opts.MetricsPath] = route{needs: public, shared: true, serve: s.metrics.serve}
	}
	t[s.opts.Path] = route{needs: public, serve: s.page}
	t[s.opts.Path+".json"] = route{needs: public, serve: s.report}
	t[s.prefix+"events"] = route{needs: public, serve: s.listen}
	t[s.prefix+"logs"] = route{needs: full, serve: s.logs}
	t[s.prefix+"logs/stream"] = route{needs: full, serve: s.tail}
	t[s.prefix+"stack"] = route{needs: full, serve: s.stack}
	t[s.prefix+"action"] = route{needs: full, post: true, serve: s.act}
	t[s.prefix+"login"] = route{needs: nobody, post: true, serve: s.login}
	return t
}

// find returns the route of a path; with own set it is one of the page's, or is
// below them, where nothing else may be.
func (s *Monitor) find(path []byte) (r route, found, own bool) {
	if s.lengths&lengthBit(len(path)) == 0 && len(path) < len(s.prefix) {
		return r, false, false // as most are
	}
	r, found = s.routes[string(path)]
	own = found && !r.shared || !found && strings.HasPrefix(string(path), s.prefix)
	return r, found, own
}

// lengthBit is the bit of a path's length; all that are long share one.
func lengthBit(n int) uint64 { return 1 << min(n, 63) }

// front stands before an application.
type front struct {
	*Monitor
	next asteri.Handler
}

// ServeExchange implements asteri.Handler.
func (f *front) ServeExchange(x asteri.Exchange) {
	r, found, own := f.find(x.Request().Route)
	if !found && !own || own && f.opts.NoDashboard {
		f.pass(x)
		return
	}
	v := f.identify(x, false)
	if r.shared {
		f.takeToken(v)
	}
	switch {
	case r.shared && v.access < r.needs:
		f.pass(x)
	case own && v.wait > 0:
		v.tooOften()
	case own && f.signsIn(v):
	case v.access < r.needs && r.needs == full:
		f.forbid(v, needsToken)
	case v.access < r.needs, !found && v.access == nobody:
		f.forbid(v, needsNear)
	default:
		f.answer(v, r, found)
	}
}

// pass gives a request to the application.
func (f *front) pass(x asteri.Exchange) {
	f.flights.pass(x, f.next)
}

func (s *Monitor) serveAdmin(x asteri.Exchange) {
	path := x.Request().Route
	r, found, own := s.find(path)
	v := s.identify(x, true)
	if r.shared {
		s.takeToken(v)
	}
	switch {
	case v.wait > 0:
		v.tooOften()
	case own && s.signsIn(v):
	case v.access < full && r.needs > nobody || v.access == nobody:
		s.forbid(v, needsToken)
	case string(path) == "/":
		redirect(v, s.opts.Path, nil)
	default:
		s.answer(v, r, found)
	}
}

// answer lets a route answer who may see it.
func (s *Monitor) answer(v *visit, r route, found bool) {
	v.r.Handling.App = OwnApp
	isGet := v.r.Method == http.MethodGet || v.r.Method == http.MethodHead
	switch {
	case !found:
		respond(v, http.StatusNotFound, plainText, "not found\n")
	case r.post && v.r.Method != http.MethodPost:
		refuseMethod(v, "POST")
	case !r.post && !isGet:
		refuseMethod(v, "GET, HEAD")
	default:
		r.serve(v)
	}
}

func (s *Monitor) live(v *visit) { respond(v, http.StatusOK, plainText, "ok\n") }

func (s *Monitor) ready(v *visit) {
	if err := s.opts.Ready(); err != nil {
		respond(v, http.StatusServiceUnavailable, plainText, err.Error()+"\n")
		return
	}
	respond(v, http.StatusOK, plainText, "ready\n")
}

// report answers with the document.
func (s *Monitor) report(v *visit) {
	s.later(v, func() func() {
		body := s.shown().encode(v.access, true)
		return func() { respond(v, http.StatusOK, "application/json", string(body)) }
	})
}

// later runs find off the loop and what it returns on it. A client that has left by
// then gets no answer.
func (s *Monitor) later(v *visit, find func() (answer func())) {
	s.work.Go(func() { v.Post(find()) })
}

const plainText = "text/plain; charset=utf-8"

func respond(v *visit, code int, contentType, body string) {
	send(v, code, local.Head(contentType), body)
}

func refuseMethod(v *visit, allowed string) {
	h := local.Head(plainText)
	h.Add("Allow", allowed)
	send(v, http.StatusMethodNotAllowed, h, allowed+" only\n")
}

// redirect has a browser GET another path; h may be nil.
func redirect(v *visit, to string, h *asteri.Header) {
	if h == nil {
		h = local.Head(plainText)
	}
	h.Add("Location", to)
	send(v, http.StatusSeeOther, h, "")
}

// send answers. That it may fail because the client has left is no concern.
func send(v *visit, code int, h *asteri.Header, body string) {
	_ = v.Respond(code, h, []byte(body))
}
