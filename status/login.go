package status

import (
	"bytes"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
)

// signsIn takes a token that came in the query, as the link in the banner has it,
// and sends the browser on to where it shows no more: in the bar of addresses, in
// its history, in what it tells the next server. It returns false if there is none.
func (s *Monitor) signsIn(v *visit) bool {
	if !bytes.Contains(v.query, []byte("token=")) {
		return false
	}
	v.r.Target, v.r.Query = v.r.Path, nil // what is logged of the request
	if v.r.Method != http.MethodGet {
		return false
	}
	q, ok := parseQuery(v.query)
	if !ok || !q.Has("token") {
		return false
	}
	v.r.Handling.App = OwnApp
	token := []byte(q.Get("token"))
	if !s.shows(v, token, s.keys.isToken(token)) {
		s.refuse(v, needsToken)
		return true
	}
	q.Del("token")
	to := string(v.r.Route) // which is one of our own: a browser reads "//host/../.." otherwise
	if len(q) > 0 {
		to += "?" + q.Encode()
	}
	s.welcome(v, to)
	return true
}

// takeToken takes the token in the query of a request for a shared path, which is no
// page to sign in to: a probe or a scraper shows it each time. What is logged of the
// request has it no more.
func (s *Monitor) takeToken(v *visit) {
	if !bytes.Contains(v.query, []byte("token=")) {
		return
	}
	all := bytes.Split(v.query, []byte("&"))
	pairs := slices.DeleteFunc(all, func(pair []byte) bool {
		given, named := bytes.CutPrefix(pair, []byte("token="))
		token, err := url.QueryUnescape(string(given))
		if !named || err != nil || !s.shows(v, []byte(token), s.keys.isToken([]byte(token))) {
			return false
		}
		v.access = full
		return true
	})
	if len(pairs) == len(all) {
		return // a parameter of somebody else's
	}
	target, _, _ := bytes.Cut(v.r.Target, []byte("?"))
	v.r.Query = bytes.Join(pairs, []byte("&"))
	if v.r.Target = target; len(pairs) > 0 {
		v.r.Target = slices.Concat(target, []byte("?"), v.r.Query)
	}
}

// login takes a token from the form that strangers see.
func (s *Monitor) login(v *visit) {
	v.readForm(func(form url.Values) {
		token := []byte(form.Get("token"))
		if local.Foreign(v.r) || !s.shows(v, token, s.keys.isToken(token)) {
			s.refuse(v, needsToken)
			return
		}
		s.welcome(v, s.opts.Path)
	})
}

func (s *Monitor) welcome(v *visit, to string) {
	h := local.Head(plainText)
	s.setCookie(h, v.r, s.keys.newSession())
	redirect(v, to, h)
}

// What a client may lack, by the key of the words for it.
const (
	needsNear  = "needs.near"
	needsToken = "needs.token"
	needsField = "needs.field"
)

// refuse answers who has not shown the token, perhaps once too often.
func (s *Monitor) refuse(v *visit, needs string) {
	if v.wait > 0 {
		v.tooOften()
		return
	}
	s.forbid(v, needs)
}

// forbid answers who may not do this, and says what it needs.
func (s *Monitor) forbid(v *visit, needs string) {
	v.r.Handling.App = OwnApp
	if v.r.Method == http.MethodGet && wantsPage(v.r) {
		h := s.pageHead()
		send(v, http.StatusForbidden, h, stranger(languageOf(v.r, nil), s.opts.Path, needs))
		return
	}
	respond(v, http.StatusForbidden, plainText, words[needs][english]+"\n")
}

func wantsPage(r *asteri.Request) bool {
	return bytes.Contains(r.Header.Get("Accept"), []byte("text/html"))
}

// maxQuery bounds what is looked at. No query of ours comes near it.
const maxQuery = 4 << 10

// parseQuery returns false for a query that is too long or malformed.
func parseQuery(raw []byte) (url.Values, bool) {
	if len(raw) > maxQuery {
		return nil, false
	}
	q, err := url.ParseQuery(string(raw))
	return q, err == nil
}

// maxForm bounds the body of a POST.
const maxForm = 4 << 10

// readForm reads the body, and calls with what is in it on the executor.
func (v *visit) readForm(with func(url.Values)) {
	kind, _, _ := strings.Cut(string(v.r.Header.Get("Content-Type")), ";")
	if strings.TrimSpace(kind) != "application/x-www-form-urlencoded" {
		respond(v, http.StatusUnsupportedMediaType, plainText, "application/x-www-form-urlencoded only\n")
		return
	}
	if v.r.ContentLength > maxForm {
		respond(v, http.StatusRequestEntityTooLarge, plainText, "too long\n")
		return
	}
	v.ReadBody(&formSink{visit: v, with: with})
}

type formSink struct {
	*visit
	with func(url.Values)
	body []byte
	done bool
}

// OnBody implements asteri.BodySink.
func (f *formSink) OnBody(p []byte) {
	f.Consumed(len(p))
	if f.done {
		return
	}
	if len(f.body)+len(p) > maxForm {
		f.done = true
		respond(f.visit, http.StatusRequestEntityTooLarge, plainText, "too long\n")
		return
	}
	f.body = append(f.body, p...)
}

// OnEnd implements asteri.BodySink.
func (f *formSink) OnEnd(*asteri.Header) {
	if f.done {
		return
	}
	f.done = true
	form, err := url.ParseQuery(string(f.body))
	if err != nil {
		respond(f.visit, http.StatusBadRequest, plainText, "malformed form\n")
		return
	}
	f.with(form)
}

// OnError implements asteri.BodySink. The client has left, so nobody is answered.
func (f *formSink) OnError(cause error) {
	if !f.done {
		f.done = true
		f.Abort(cause)
	}
}
