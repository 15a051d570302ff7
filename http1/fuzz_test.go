package http1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/callback"
)

func addCorpus(f *testing.F, keep func(group string) bool, add func(c corpusCase)) {
	for group, cases := range readCorpus(f) {
		for _, c := range cases {
			if keep(group) {
				add(c)
			}
		}
	}
}

// FuzzCuts: where the input is cut never changes the outcome.
func FuzzCuts(f *testing.F) {
	addCorpus(f, func(string) bool { return true }, func(c corpusCase) { f.Add(c.in, uint64(1), c.eof) })
	f.Fuzz(func(t *testing.T, in []byte, seed uint64, eof bool) {
		if callback.Debug && len(in) > 16<<10 {
			t.Skip("a debug build looks for the owner with each byte")
		}
		for _, limits := range []asteri.Option{limitsOfCorpus, asteri.WithLimits(asteri.Limits{})} {
			whole := replay(t, [][]byte{in}, eof, limits)
			same(t, "byte by byte", whole, replay(t, cutAll(in), eof, limits))
			same(t, "cut", whole, replay(t, cutAtRandom(in, rand.New(rand.NewPCG(seed, 0))), eof, limits))
		}
	})
}

// FuzzRequest: what is accepted here is accepted by net/http, and means the same
// to it.
//
// Three differences are known and allowed for: empty lines before a request are
// skipped here; net/http knows no minor versions above 1 (RFC 9110 section
// 2.5 wants them served); and it parses the target as a URI, which refuses some
// characters in hosts that RFC 3986 allows.
func FuzzRequest(f *testing.F) {
	addCorpus(f, func(string) bool { return true }, func(c corpusCase) { f.Add(c.in) })
	f.Fuzz(func(t *testing.T, in []byte) {
		o := replay(t, [][]byte{in}, false)
		br := bufio.NewReader(bytes.NewReader(in))
		for i, s := range o.requests {
			skipEmptyLines(br)
			theirs, err := http.ReadRequest(br)
			if err != nil {
				if s.req.Proto == asteri.HTTP11 && !bytes.Contains(in, []byte("HTTP/1.1")) || strings.Contains(err.Error(), "invalid URI") || uriTooStrict(&s.req) {
					return
				}
				t.Fatalf("request %d is refused by net/http: %v\n%q", i, err, in)
			}
			compareHead(t, &s.req, theirs)
			body, err := io.ReadAll(theirs.Body)
			if s.body.ends == 0 {
				return // ours is not complete, or was refused
			}
			if err != nil || !bytes.Equal(body, s.body.body) {
				t.Fatalf("content is %q here and %q, %v in net/http\n%q", s.body.body, body, err, in)
			}
			compareTrailer(t, s.body.trailer, theirs.Trailer)
		}
	})
}

// uriTooStrict tells whether net/url refuses a target for its host, whose
// escapes it takes for UTF-8 and whose sub-delimiters it does not all know.
func uriTooStrict(r *asteri.Request) bool {
	return r.Target[0] != '/' && bytes.ContainsAny(r.Authority, "%[")
}

func skipEmptyLines(br *bufio.Reader) {
	for {
		if p, _ := br.Peek(2); string(p) != "\r\n" {
			return
		}
		_, _ = br.Discard(2)
	}
}

func compareHead(t *testing.T, ours *asteri.Request, theirs *http.Request) {
	t.Helper()
	if ours.Method != theirs.Method || string(ours.Target) != theirs.RequestURI {
		t.Fatalf("%s %q is %s %q in net/http", ours.Method, ours.Target, theirs.Method, theirs.RequestURI)
	}
	if string(ours.Authority) != theirs.Host && !strings.Contains(theirs.URL.Host, "%") {
		t.Fatalf("authority %q is %q in net/http", ours.Authority, theirs.Host)
	}
	if string(ours.Query) != theirs.URL.RawQuery {
		t.Fatalf("query %q is %q in net/http", ours.Query, theirs.URL.RawQuery)
	}
	length := ours.ContentLength
	if length != theirs.ContentLength {
		t.Fatalf("length %d is %d in net/http", length, theirs.ContentLength)
	}
	want := make(http.Header)
	for _, f := range ours.Header.Fields() {
		want.Add(string(f.Name), string(f.Value))
	}
	// net/http takes these out of the header.
	want.Del("Host")
	want.Del("Transfer-Encoding")
	want.Del("Trailer")
	theirs.Header.Del("Trailer")
	compareFields(t, want, theirs.Header)
}

func compareTrailer(t *testing.T, ours *asteri.Header, theirs http.Header) {
	t.Helper()
	want := make(http.Header)
	for _, f := range ours.Fields() {
		want.Add(string(f.Name), string(f.Value))
	}
	for name, values := range theirs {
		if values == nil {
			delete(theirs, name) // announced by Trailer, never sent
		}
	}
	compareFields(t, want, theirs)
}

func compareFields(t *testing.T, ours, theirs http.Header) {
	t.Helper()
	for name, values := range ours {
		if strings.Join(values, "|") != strings.Join(theirs[name], "|") {
			t.Fatalf("field %q is %q here and %q in net/http", name, values, theirs[name])
		}
	}
	if len(ours) != len(theirs) {
		t.Fatalf("fields %q here, %q in net/http", ours, theirs)
	}
}

// FuzzChunked: a chunked body that is accepted here decodes to the same in
// net/http, however it is cut.
func FuzzChunked(f *testing.F) {
	const head = "POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
	addCorpus(f, func(group string) bool { return group == "chunked" }, func(c corpusCase) {
		f.Add(bytes.TrimPrefix(c.in, []byte(head)), uint8(7))
	})
	at := newLocal(&newProtocol(hello).settings, idleLoop())
	f.Fuzz(func(t *testing.T, in []byte, step uint8) {
		content, done, err := decodeChunks(in, 1+int(step), at)
		again, doneAgain, errAgain := decodeChunks(in, len(in)+1, at)
		if !bytes.Equal(content, again) || done != doneAgain || (err == nil) != (errAgain == nil) {
			t.Fatalf("in steps of %d: %q %v %v, whole: %q %v %v", step, content, done, err, again, doneAgain, errAgain)
		}
		if !done {
			return
		}
		r, err := http.ReadRequest(bufio.NewReader(io.MultiReader(strings.NewReader(head), bytes.NewReader(in))))
		if err != nil {
			t.Fatal(err)
		}
		if theirs, err := io.ReadAll(r.Body); err != nil || !bytes.Equal(theirs, content) {
			t.Fatalf("%q here, %q, %v in net/http", content, theirs, err)
		}
	})
}

// decodeChunks offers in to a bodyReader, step bytes more at a time, as a session
// does.
func decodeChunks(in []byte, step int, at *local) (content []byte, done bool, err error) {
	var b bodyReader
	b.begin(&head{framing: framing{chunked: true}})
	for end := min(step, len(in)); ; end = min(end+step, len(in)) {
		for p := in[:end]; ; {
			part := b.next(p, 1+step, at)
			content = append(content, part.content...)
			if part.refusal != nil {
				return content, false, part.refusal
			}
			if b.done() {
				return content, true, nil
			}
			if part.used == 0 {
				break
			}
			p = p[part.used:]
			in, end = in[part.used:], end-part.used
		}
		if end == len(in) {
			return content, false, errors.New("incomplete")
		}
	}
}
