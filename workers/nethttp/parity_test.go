package nethttp_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httptrace"
	"net/textproto"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
)

// models are those that net/http handlers run under.
var models = map[string]func(h workers.Handler) asteri.Handler{
	"sync": func(h workers.Handler) asteri.Handler { return workers.Sync(h, workers.Options{Workers: 4}) },
	"gthread": func(h workers.Handler) asteri.Handler {
		return workers.GThread(h, workers.Options{Workers: 2, Threads: 2})
	},
	"gevent":   func(h workers.Handler) asteri.Handler { return workers.Gevent(h, workers.Options{}) },
	"asgi":     func(h workers.Handler) asteri.Handler { return workers.ASGI(h, workers.Options{}) },
	"gtornado": func(h workers.Handler) asteri.Handler { return workers.GTornado(h, workers.Options{}) },
}

// serve runs h under a model and returns the server's address.
func serve(t *testing.T, model string, h http.Handler) (addr string) {
	t.Helper()
	app := models[model](nethttp.Handler(h))
	t.Cleanup(func() {
		if c, ok := app.(io.Closer); ok {
			c.Close()
		}
	})
	return enginetest.Serve(t, http1.Protocol(app))
}

// seen is what a client sees of a response.
type seen struct {
	Status           int
	Proto            string
	Header           http.Header
	ContentLength    int64
	TransferEncoding []string
	Close            bool
	Uncompressed     bool
	Body             string
	Trailer          http.Header
	Interim          []string
	Failed           bool // the request, or reading the body
}

// look sends a request and describes the answer.
func look(t *testing.T, client *http.Client, r *http.Request) seen {
	t.Helper()
	var s seen
	r = r.WithContext(httptrace.WithClientTrace(r.Context(), &httptrace.ClientTrace{
		Got1xxResponse: func(code int, h textproto.MIMEHeader) error {
			s.Interim = append(s.Interim, fmt.Sprint(code, h))
			return nil
		},
	}))
	res, err := client.Do(r)
	if err != nil {
		s.Failed = true
		return s
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	s.Failed = err != nil
	s.Status, s.Proto, s.Body = res.StatusCode, res.Proto, string(body)
	s.ContentLength, s.TransferEncoding, s.Close = res.ContentLength, res.TransferEncoding, res.Close
	s.Header, s.Trailer = res.Header, res.Trailer
	for _, name := range []string{"Date", "Server"} {
		s.Header.Del(name)
	}
	return s
}

type parityCase struct {
	name    string
	differs func(model string, want *seen) // how we mean to differ
	method  string                         // GET if empty
	target  string                         // / if empty
	header  http.Header
	newBody func() io.Reader
	handler http.HandlerFunc
}

var parityCases = []parityCase{
	{name: "nothing", handler: func(http.ResponseWriter, *http.Request) {}},
	{name: "small", handler: text("hello")},
	{name: "empty write", handler: text("")},
	{name: "several small writes", handler: func(w http.ResponseWriter, _ *http.Request) {
		for range 10 {
			_, _ = io.WriteString(w, "0123456789")
		}
	}},
	{name: "large", handler: text(strings.Repeat("0123456789abcdef", 1<<16))},
	{name: "large in pieces", handler: func(w http.ResponseWriter, _ *http.Request) {
		for i := range 1000 {
			fmt.Fprintf(w, "%0999d\n", i)
		}
	}},
	{name: "status", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(418) }},
	{name: "status with body", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(404)
		_, _ = io.WriteString(w, "gone")
	}},
	{name: "two statuses", handler: func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(201); w.WriteHeader(500) }},
	{name: "no content", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(204)
		_, err := w.Write([]byte("x"))
		if !errors.Is(err, http.ErrBodyNotAllowed) {
			panic(err)
		}
	}},
	{name: "not modified", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Etag", `"1"`)
		w.Header().Set("Content-Type", "text/plain")
		w.WriteHeader(304)
	}},
	{name: "header", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Add("Set-Cookie", "a=1")
		w.Header().Add("Set-Cookie", "b=2")
		w.Header().Set("X-Split", "a\r\nb: c")
		w.Header()["lower-case"] = []string{"kept"}
		w.Header()["no good"] = []string{"dropped"}
		_, _ = io.WriteString(w, "x")
	}},
	{name: "header changed after WriteHeader", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("A", "1")
		w.WriteHeader(200)
		w.Header().Set("A", "2")
		w.Header().Set("B", "2")
	}},
	{name: "html is recognized", handler: text("<!doctype html><title>x</title>")},
	{name: "png is recognized", handler: text("\x89PNG\x0D\x0A\x1A\x0A....")},
	{name: "type from a large first write", handler: text("<html>" + strings.Repeat("x", 10000))},
	{name: "type from several writes", handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "<ht")
		_, _ = io.WriteString(w, "ml>")
	}},
	{name: "own type", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/x-own")
		_, _ = io.WriteString(w, "<html>")
	}},
	{name: "type unwanted", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header()["Content-Type"] = nil
		_, _ = io.WriteString(w, "<html>")
	}},
	{name: "type of encoded content", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Encoding", "br")
		_, _ = io.WriteString(w, "<html>")
	}},
	{name: "own length", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
	}},
	{name: "bad length", differs: func(_ string, want *seen) {
		want.Header.Set("Content-Length", "5") // theirs remembers that there was one, and sends chunks
		want.ContentLength, want.TransferEncoding = 5, nil
	}, handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "five")
		_, _ = io.WriteString(w, "hello")
	}},
	{name: "more than the length", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hello")
		if _, err := io.WriteString(w, "!"); !errors.Is(err, http.ErrContentLength) {
			panic(err)
		}
	}},
	{name: "less than the length", differs: reset, handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "5")
		_, _ = io.WriteString(w, "hell")
	}},
	{name: "flush", handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "a")
		w.(http.Flusher).Flush()
		_, _ = io.WriteString(w, "b")
	}},
	{name: "flush before anything", handler: func(w http.ResponseWriter, _ *http.Request) {
		_ = http.NewResponseController(w).Flush()
		_, _ = io.WriteString(w, "<html>")
	}},
	{name: "head", method: "HEAD", handler: text("hello")},
	{name: "head of nothing", method: "HEAD", handler: func(http.ResponseWriter, *http.Request) {}},
	{name: "head of much", method: "HEAD", handler: text(strings.Repeat("x", 100000))},
	{name: "head with length", method: "HEAD", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Length", "12345")
	}},
	{name: "close", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Connection", "close")
		_, _ = io.WriteString(w, "bye")
	}},
	{name: "announced trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Trailer", "A, B")
		w.Header().Add("Trailer", "C")
		_, _ = io.WriteString(w, "x")
		w.Header().Set("A", "1")
		w.Header().Set("C", "3")
	}},
	{name: "prefixed trailers", handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		w.Header().Set(http.TrailerPrefix+"Late", "yes")
	}},
	{name: "early hints", handler: func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Link", "</a.css>; rel=preload")
		w.WriteHeader(103)
		w.WriteHeader(103)
		w.WriteHeader(200)
	}},
	{name: "redirect", handler: http.RedirectHandler("/there", 302).ServeHTTP},
	{name: "not found", handler: http.NotFound},
	{name: "error", handler: func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "no", 500) }},
	{name: "abort after the first byte", differs: reset, handler: func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, "x")
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	}},
	{name: "request", target: "/a%2Fb/c?q=1&r=%20", header: http.Header{"X-A": {"1", "2"}, "Cookie": {"a=b"}, "Pragma": {"no-cache"}}, handler: dump},
	{name: "request with body", method: "POST", newBody: reader("some body"), handler: dump},
	{name: "request with body of unknown length", method: "PUT", newBody: func() io.Reader { return io.MultiReader(strings.NewReader("some"), strings.NewReader(" body")) }, handler: dump},
	{name: "form", method: "POST", header: http.Header{"Content-Type": {"application/x-www-form-urlencoded"}}, newBody: reader("a=1&b=2&a=3"), target: "/?a=0", handler: func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.ParseForm(), r.Form, r.PostForm)
	}},
	{name: "upload", method: "POST", header: http.Header{"Content-Type": {"multipart/form-data; boundary=b"}}, newBody: reader("--b\r\nContent-Disposition: form-data; name=\"f\"; filename=\"x\"\r\n\r\ncontent\r\n--b--\r\n"), handler: func(w http.ResponseWriter, r *http.Request) {
		f, h, err := r.FormFile("f")
		if err != nil {
			panic(err)
		}
		content, err := io.ReadAll(f)
		fmt.Fprint(w, h.Filename, h.Size, string(content), err)
	}},
	{name: "body not read", method: "POST", newBody: reader("ignored"), handler: text("ok")},
	{name: "body read after close", method: "POST", newBody: reader("x"), handler: func(w http.ResponseWriter, r *http.Request) {
		r.Body.Close()
		_, err := r.Body.Read(make([]byte, 1))
		fmt.Fprint(w, errors.Is(err, http.ErrBodyReadAfterClose))
	}},
	{name: "body within bounds", method: "POST", newBody: reader("12345678"), handler: limited(8)},
	{name: "body out of bounds", differs: func(_ string, want *seen) {
		want.Close = false // theirs is told by MaxBytesReader in a way that is closed to others
	}, method: "POST", newBody: reader("123456789"), handler: limited(8)},
	{name: "large echo", method: "POST", newBody: reader(strings.Repeat("0123456789abcdef", 1<<15)), handler: func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(err)
		}
		_, _ = w.Write(body)
	}},
	{name: "continue", method: "POST", header: http.Header{"Expect": {"100-continue"}}, newBody: reader("wanted"), handler: dump},
	{name: "no continue", differs: func(model string, want *seen) {
		if model == "sync" || model == "gthread" { // they read the body first
			want.Interim, want.Close = []string{"100 map[]"}, false
		}
	}, method: "POST", header: http.Header{"Expect": {"100-continue"}}, newBody: reader("unwanted"), handler: func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
	}},
	{name: "options", method: "OPTIONS", handler: dump},
	{name: "mux", target: "/y", handler: mux().ServeHTTP},
	{name: "mux with method", target: "/item/7", handler: mux().ServeHTTP},
	{name: "mux without method", target: "/item/7", method: "DELETE", handler: mux().ServeHTTP},
	{name: "timeout handler", handler: http.TimeoutHandler(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		<-r.Context().Done()
	}), time.Millisecond, "late").ServeHTTP},
	{name: "content", target: "/x.txt", handler: content},
	{name: "range", target: "/x.txt", header: http.Header{"Range": {"bytes=5-9"}}, handler: content},
	{name: "range beyond the end", target: "/x.txt", header: http.Header{"Range": {"bytes=50000-"}}, handler: content},
	{name: "unmodified content", target: "/x.txt", header: http.Header{"If-Modified-Since": {"Fri, 01 Jan 2100 00:00:00 GMT"}}, handler: content},
}

// reset is for a response that fails in the middle: ours resets the connection,
// which may destroy what was sent before.
func reset(_ string, want *seen) { *want = seen{Failed: want.Failed} }

func text(s string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, s) }
}

func reader(s string) func() io.Reader { return func() io.Reader { return strings.NewReader(s) } }

func limited(n int64) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, n))
		var tooLarge *http.MaxBytesError
		fmt.Fprintf(w, "%q %v", body, errors.As(err, &tooLarge))
	}
}

func content(w http.ResponseWriter, r *http.Request) {
	http.ServeContent(w, r, "x.txt", time.Unix(1e9, 0), strings.NewReader(strings.Repeat("0123456789", 1000)))
}

func mux() *http.ServeMux {
	m := http.NewServeMux()
	m.HandleFunc("GET /item/{id}", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, r.PathValue("id"), r.Pattern) })
	m.HandleFunc("/y", text("y"))
	return m
}

// dump answers with what the handler saw of the request.
func dump(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	// Ports are not the same for both servers.
	host, _, _ := net.SplitHostPort(r.Host)
	remote, _, _ := net.SplitHostPort(r.RemoteAddr)
	fmt.Fprintf(w, "%s %q %s %d.%d %s %s %v\n", r.Method, r.RequestURI, r.Proto, r.ProtoMajor, r.ProtoMinor, host, remote, r.TLS)
	fmt.Fprintf(w, "%#v %v\n", *r.URL, r.Close)
	names := make([]string, 0, len(r.Header))
	for name := range r.Header {
		names = append(names, name)
	}
	slices.Sort(names)
	for _, name := range names {
		fmt.Fprintf(w, "%s: %q\n", name, r.Header[name])
	}
	fmt.Fprintf(w, "%d %v %q %v\n", r.ContentLength, r.TransferEncoding, body, err)
	local, _ := r.Context().Value(http.LocalAddrContextKey).(*net.TCPAddr)
	fmt.Fprint(w, local.IP, r.Context().Err())
}

// TestParity has net/http's own server and ours answer the same requests with the
// same handlers.
func TestParity(t *testing.T) {
	for model := range models {
		t.Run(model, func(t *testing.T) {
			for _, c := range parityCases {
				t.Run(c.name, func(t *testing.T) { c.run(t, model) })
			}
		})
	}
}

func (c *parityCase) run(t *testing.T, model string) {
	theirs := httptest.NewUnstartedServer(c.handler)
	theirs.Config.ErrorLog = log.New(io.Discard, "", 0)
	theirs.Start()
	defer theirs.Close()
	client := &http.Client{Transport: &http.Transport{ExpectContinueTimeout: time.Minute}, CheckRedirect: noRedirect}
	defer client.CloseIdleConnections()
	want := look(t, client, c.request(theirs.Listener.Addr().String()))
	got := look(t, client, c.request(serve(t, model, c.handler)))
	if got.Failed {
		reset(model, &got)
	}
	if c.differs != nil {
		c.differs(model, &want)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got\n%+v\nwant\n%+v", got, want)
	}
}

func noRedirect(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

func (c *parityCase) request(addr string) *http.Request {
	var body io.Reader
	if c.newBody != nil {
		body = c.newBody()
	}
	target := c.target
	if target == "" {
		target = "/"
	}
	r, err := http.NewRequestWithContext(context.Background(), c.method, "http://"+addr+target, body)
	if err != nil {
		panic(err)
	}
	for name, values := range c.header {
		r.Header[name] = values
	}
	return r
}
