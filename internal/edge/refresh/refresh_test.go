package refresh

import (
	"bytes"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func newRefresher() *Refresher {
	return New(Options{Path: "/own", App: "own", Logger: slog.New(slog.DiscardHandler)})
}

// near is a request of a browser on this machine.
func near(method, path string, fields ...string) asteri.Request {
	r := asteri.Request{
		Method: method, Target: []byte(path), Authority: []byte("localhost:8000"),
		Peer: &asteri.Peer{Remote: netip.MustParseAddrPort("127.0.0.1:9"), Network: "tcp"},
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func fieldsOf(fields ...string) *asteri.Header {
	h := new(asteri.Header)
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return h
}

const document = "<html><body>a</body><!-- </body> --></BODY></html>\n"

func TestPages(t *testing.T) {
	html := []string{"Content-Type", "text/html; charset=utf-8"}
	for name, c := range map[string]struct {
		request asteri.Request
		status  int
		head    []string
		added   bool
		nonce   string
	}{
		"a page":              {near("GET", "/"), 200, html, true, ""},
		"an error":            {near("GET", "/"), 404, html, true, ""},
		"a navigation":        {near("GET", "/", "Sec-Fetch-Dest", "document"), 200, html, true, ""},
		"a part, by a script": {near("GET", "/", "Sec-Fetch-Dest", "empty"), 200, html, false, ""},
		"a form":              {near("POST", "/"), 200, html, false, ""},
		"text":                {near("GET", "/"), 200, []string{"Content-Type", "text/plain"}, false, ""},
		"no type":             {near("GET", "/"), 200, nil, false, ""},
		"another charset":     {near("GET", "/"), 200, []string{"Content-Type", "text/html; charset=UTF-16"}, false, ""},
		"coded":               {near("GET", "/"), 200, append(html, "Content-Encoding", "gzip"), false, ""},
		"a part":              {near("GET", "/"), 206, append(html, "Content-Range", "bytes 0-1/2"), false, ""},
		"a redirect":          {near("GET", "/"), 302, html, false, ""},
		"not to be changed":   {near("GET", "/"), 200, append(html, "Cache-Control", "max-age=1, no-transform"), false, ""},
		"with a digest":       {near("GET", "/"), 200, append(html, "Repr-Digest", "sha-256=:x:"), false, ""},
		"through a proxy":     {near("GET", "/", "X-Forwarded-For", "127.0.0.1"), 200, html, false, ""},
		"from HTTP/1.0":       {func() asteri.Request { r := near("GET", "/"); r.Proto = asteri.HTTP10; return r }(), 200, html, false, ""},
		"from elsewhere": {func() asteri.Request {
			r := near("GET", "/")
			r.Peer = &asteri.Peer{Remote: netip.MustParseAddrPort("10.0.0.1:9")}
			return r
		}(), 200, html, false, ""},
		"by a name of others'":    {func() asteri.Request { r := near("GET", "/"); r.Authority = []byte("evil.example"); return r }(), 200, html, false, ""},
		"a policy":                {near("GET", "/"), 200, append(html, "Content-Security-Policy", "default-src 'self'"), true, ""},
		"a policy with a nonce":   {near("GET", "/"), 200, append(html, "Content-Security-Policy", "script-src 'nonce-ab+/=' 'strict-dynamic'"), true, "ab+/="},
		"a policy for images":     {near("GET", "/"), 200, append(html, "Content-Security-Policy", "img-src 'none'"), true, ""},
		"a policy against it":     {near("GET", "/"), 200, append(html, "Content-Security-Policy", "default-src 'self'; script-src 'none'"), false, ""},
		"against the stream":      {near("GET", "/"), 200, append(html, "Content-Security-Policy", "default-src 'none'; script-src 'self'"), false, ""},
		"trust that is passed on": {near("GET", "/"), 200, append(html, "Content-Security-Policy", "script-src 'self' 'strict-dynamic'"), false, ""},
		"one of two against it":   {near("GET", "/"), 200, append(html, "Content-Security-Policy", "default-src 'self', script-src 'none'"), false, ""},
		"a sandbox":               {near("GET", "/"), 200, append(html, "Content-Security-Policy", "sandbox"), false, ""},
	} {
		r := newRefresher()
		e := exchangetest.NewExecutor(t)
		element := string(r.element(r.version(), c.nonce))
		for how, answer := range map[string]func(x asteri.Exchange){
			"whole":    func(x asteri.Exchange) { _ = x.Respond(c.status, fieldsOf(c.head...), []byte(document)) },
			"streamed": func(x asteri.Exchange) { streamed(x, c.status, fieldsOf(c.head...)) },
			"with a length": func(x asteri.Exchange) {
				h := fieldsOf(c.head...)
				h.AddInt("Content-Length", int64(len(document)))
				streamed(x, c.status, h)
			},
		} {
			want := document
			if c.added {
				if want = document + element; how == "whole" {
					want = strings.Replace(document, "</BODY>", element+"</BODY>", 1)
				}
			}
			got := exchangetest.New(t, e, c.request).Answer(r.Pages(asteri.HandlerFunc(answer)))
			if string(got.Body) != want || got.Err != nil {
				t.Errorf("%s, %s: %v %s", name, how, got.Err, got.Body)
			}
			if kept := bytes.Contains(got.Header.Get("Cache-Control"), []byte("no-store")); kept != c.added {
				t.Errorf("%s, %s: Cache-Control %s", name, how, got.Header.Get("Cache-Control"))
			}
		}
	}
}

func streamed(x asteri.Exchange, status int, h *asteri.Header) {
	_ = x.Start(status, h)
	_, _ = x.Write([]byte(document[:9]))
	_, _ = x.Write([]byte(document[9:]))
	_ = x.Finish(nil)
}

// What a client could ask about, or keep, is not what the application has sent.
func TestNothingOfAPageIsKept(t *testing.T) {
	r := newRefresher()
	given := fieldsOf("Content-Type", "text/html", "ETag", `"a"`, "Last-Modified", "Mon, 30 Nov 2026 00:00:00 GMT", "Cache-Control", "max-age=3600", "Expires", "0", "Accept-Ranges", "bytes")
	answer := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, given, nil) })
	got := exchangetest.New(t, exchangetest.NewExecutor(t), near("GET", "/")).Answer(r.Pages(answer))
	if got.Header.Has("ETag") || got.Header.Has("Last-Modified") || got.Header.Has("Expires") || string(got.Header.Get("Cache-Control")) != "no-store" {
		t.Errorf("%v", got.Header.Fields())
	}
	if given.Len() != 6 {
		t.Error("the handler's header was changed")
	}
}

// HEAD says of the length what GET would.
func TestHeadOfAPage(t *testing.T) {
	r := newRefresher()
	h := fieldsOf("Content-Type", "text/html", "Content-Length", "100")
	answer := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Start(200, h); _ = x.Finish(nil) })
	got := exchangetest.New(t, exchangetest.NewExecutor(t), near("HEAD", "/")).Answer(r.Pages(answer))
	if n := string(got.Header.Get("Content-Length")); len(n) != 3 || n == "100" || len(got.Body) != 0 {
		t.Errorf("length %s, %d bytes, %v", n, len(got.Body), got.Err)
	}
}

// A file of the server's own is a page like any other.
func TestFilesArePages(t *testing.T) {
	name := filepath.Join(t.TempDir(), "a.html")
	if err := os.WriteFile(name, []byte(document), 0o600); err != nil {
		t.Fatal(err)
	}
	r := newRefresher()
	answer := asteri.HandlerFunc(func(x asteri.Exchange) {
		f, err := os.Open(name)
		if err != nil {
			t.Error(err)
			return
		}
		h := fieldsOf("Content-Type", "text/html")
		h.AddInt("Content-Length", int64(len(document)))
		_ = x.Start(200, h)
		_ = x.SendFile(f, 0, int64(len(document)))
		_ = x.Finish(nil)
	})
	got := exchangetest.New(t, exchangetest.NewExecutor(t), near("GET", "/")).Answer(r.Pages(answer))
	if want := document + string(r.element(r.version(), "")); string(got.Body) != want || got.Err != nil {
		t.Errorf("%v %s", got.Err, got.Body)
	}
}

func TestStream(t *testing.T) {
	r := newRefresher()
	e := exchangetest.NewExecutor(t)
	h := r.Front(asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(404, nil, nil) }))
	first := r.version()
	x := exchangetest.New(t, e, near("GET", "/own/refresh"))
	x.Serve(h)
	r.Changed()
	if r.version() == first {
		t.Error("it is the same version")
	}
	e.Do(func() {}) // what was posted has run
	r.End()
	got := x.Wait()
	if want := "retry: 500\ndata: " + first + "\n\ndata: " + r.version() + "\n\n"; string(got.Body) != want || got.Err != nil {
		t.Errorf("%v %q", got.Err, got.Body)
	}
	if got := exchangetest.New(t, e, near("GET", "/own/refresh")).Answer(h); got.Err == nil {
		t.Error("a stream after the end")
	}
	for name, request := range map[string]asteri.Request{
		"through a proxy": near("GET", "/own/refresh", "Via", "1.1 x"), "another method": near("POST", "/own/refresh"), "another path": near("GET", "/own"),
	} {
		if got := exchangetest.New(t, e, request).Answer(h); got.Status != 404 {
			t.Errorf("%s: %d", name, got.Status)
		}
	}
	if got := exchangetest.New(t, e, near("GET", "/own/refresh.js")).Answer(h); !bytes.Contains(got.Body, []byte("EventSource")) {
		t.Errorf("%d", got.Status)
	}
}

// Streams are bounded, and a client that leaves makes room.
func TestListenersAreBounded(t *testing.T) {
	r := newRefresher()
	e := exchangetest.NewExecutor(t)
	h := r.Front(nil)
	var all []*exchangetest.Exchange
	for range maxListeners {
		x := exchangetest.New(t, e, near("GET", "/own/refresh"))
		x.Serve(h)
		all = append(all, x)
	}
	if got := exchangetest.New(t, e, near("GET", "/own/refresh")).Answer(h); got.Err == nil {
		t.Error("no bound")
	}
	all[0].Cancel(asteri.ErrClientGone)
	x := exchangetest.New(t, e, near("GET", "/own/refresh"))
	x.Serve(h)
	r.End()
	if got := x.Wait(); got.Status != 200 {
		t.Errorf("no room after a client has left: %v", got.Err)
	}
}
