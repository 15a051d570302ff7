package http1

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
)

// corpusCase is one case of testdata/corpus; the format is described there.
type corpusCase struct {
	name, source string
	in           []byte
	eof          bool
	requests     []corpusRequest
	status       int // of the last response, 0 if it is the handler's
	close        bool
}

type corpusRequest struct {
	line     string
	facts    []string // "path: /a" and so on, all of which must hold
	body     string
	trailers []string
}

func readCorpus(t testing.TB) map[string][]corpusCase {
	t.Helper()
	files, err := filepath.Glob("testdata/corpus/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatal("no corpus:", err)
	}
	groups := make(map[string][]corpusCase)
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		group := strings.TrimSuffix(filepath.Base(name), ".txt")
		if groups[group], err = parseCorpus(string(text)); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
	return groups
}

func parseCorpus(text string) ([]corpusCase, error) {
	var cases []corpusCase
	for i, line := range strings.Split(text, "\n") {
		if line == "" || strings.HasPrefix(line, "#") {
			continue
		}
		if name, ok := strings.CutPrefix(line, "=== "); ok {
			cases = append(cases, corpusCase{name: name})
			continue
		}
		if len(cases) == 0 {
			return nil, fmt.Errorf("line %d: no case yet", i+1)
		}
		if err := cases[len(cases)-1].parse(line); err != nil {
			return nil, fmt.Errorf("line %d: %w", i+1, err)
		}
	}
	return cases, nil
}

func (c *corpusCase) parse(line string) (err error) {
	key, value, _ := strings.Cut(line, ":")
	value = strings.TrimPrefix(value, " ")
	last := len(c.requests) - 1
	switch key {
	case "source":
		c.source = value
	case "in":
		c.in, err = unquoteAll(value)
	case "eof":
		c.eof = true
	case "close":
		c.close = true
	case "status":
		c.status, err = strconv.Atoi(value)
	case "request":
		line, times := value, 1
		if i := strings.LastIndex(value, " x"); i > 0 {
			if n, err := strconv.Atoi(value[i+2:]); err == nil {
				line, times = value[:i], n
			}
		}
		for range times {
			c.requests = append(c.requests, corpusRequest{line: line})
		}
	case "body":
		var p []byte
		p, err = unquoteAll(value)
		c.requests[last].body = string(p)
	case "trailer":
		c.requests[last].trailers = append(c.requests[last].trailers, value)
	case "path", "query", "authority", "version", "field":
		c.requests[last].facts = append(c.requests[last].facts, line)
	default:
		err = fmt.Errorf("unknown key %q", key)
	}
	return err
}

// unquoteAll joins `"a" 3 * "b"`.
func unquoteAll(s string) ([]byte, error) {
	var out []byte
	times := 1
	for s = strings.TrimSpace(s); s != ""; s = strings.TrimSpace(s) {
		if s[0] != '"' {
			number, rest, _ := strings.Cut(s, "*")
			n, err := strconv.Atoi(strings.TrimSpace(number))
			if err != nil {
				return nil, err
			}
			times, s = n, rest
			continue
		}
		quoted, err := strconv.QuotedPrefix(s)
		if err != nil {
			return nil, err
		}
		part, err := strconv.Unquote(quoted)
		if err != nil {
			return nil, err
		}
		out = append(out, strings.Repeat(part, times)...)
		times, s = 1, s[len(quoted):]
	}
	return out, nil
}

// seen is a request as the corpus handler saw it.
type seen struct {
	req  asteri.Request
	body bodyLog
	x    asteri.Exchange
}

// recorder reads every request to its end, and answers then.
type recorder struct{ seen []*seen }

func (r *recorder) ServeExchange(x asteri.Exchange) {
	s := &seen{req: *x.Request(), x: x}
	r.seen = append(r.seen, s)
	x.ReadBody(s)
}

func (s *seen) OnBody(p []byte) {
	s.body.OnBody(p)
	s.x.Consumed(len(p))
}

func (s *seen) OnEnd(trailer *asteri.Header) {
	s.body.OnEnd(trailer)
	if err := s.x.Respond(200, nil, []byte("ok")); err != nil {
		panic(err)
	}
}

func (s *seen) OnError(err error) { s.body.OnError(err) }

// outcome is what a replay came to, in a form that can be compared.
type outcome struct {
	requests []*seen
	statuses []int
	closed   bool
}

func (o outcome) String() string {
	var b strings.Builder
	for _, s := range o.requests {
		fmt.Fprintf(&b, "%s %s %q %q %q %s", s.req.Method, s.req.Target, s.req.Path, s.req.Query, s.req.Authority, s.req.Proto)
		for _, f := range s.req.Header.Fields() {
			fmt.Fprintf(&b, " %q=%q", f.Name, f.Value)
		}
		fmt.Fprintf(&b, " body=%q ends=%d", s.body.body, s.body.ends)
		for _, f := range s.body.trailer.Fields() {
			fmt.Fprintf(&b, " +%q=%q", f.Name, f.Value)
		}
		b.WriteByte('\n')
	}
	fmt.Fprintf(&b, "statuses=%d closed=%v", o.statuses, o.closed)
	return b.String()
}

// replay feeds pieces to a new session.
func replay(t testing.TB, pieces [][]byte, eof bool, opts ...asteri.Option) outcome {
	t.Helper()
	r := new(recorder)
	c := newFakeConn(r, opts...)
	for _, p := range pieces {
		if !c.open() {
			break
		}
		c.feed(p)
	}
	if eof && c.open() {
		c.feedEOF()
	}
	if c.aborted != nil {
		t.Errorf("reset: %v", c.aborted)
	}
	return outcome{requests: r.seen, statuses: statuses(t, c.out, r.seen), closed: !c.open()}
}

// statuses reads the responses with net/http, which checks their form.
func statuses(t testing.TB, out []byte, requests []*seen) (list []int) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(out))
	for i := 0; ; {
		if _, err := br.Peek(1); errors.Is(err, io.EOF) {
			return list
		}
		method := "GET"
		if i < len(requests) {
			method = requests[i].req.Method
		}
		resp, err := http.ReadResponse(br, &http.Request{Method: method})
		if err != nil {
			t.Fatalf("invalid response: %v in %q", err, out)
		}
		content, err := io.ReadAll(resp.Body)
		if len(content) == 0 && i >= len(requests) {
			err = nil // what was refused was a HEAD
		}
		if err != nil {
			t.Fatalf("invalid content: %v in %q", err, out)
		}
		if resp.StatusCode == 101 {
			return append(list, 101)
		}
		if resp.StatusCode < 200 {
			continue
		}
		list = append(list, resp.StatusCode)
		i++
	}
}

func cutAll(in []byte) [][]byte {
	var pieces [][]byte
	for i := range in {
		pieces = append(pieces, in[i:i+1])
	}
	return pieces
}

func cutAtRandom(in []byte, r *rand.Rand) [][]byte {
	var pieces [][]byte
	for len(in) > 0 {
		n := 1 + r.IntN(min(len(in), 40))
		pieces, in = append(pieces, in[:n]), in[n:]
	}
	return pieces
}

var limitsOfCorpus = asteri.WithLimits(asteri.Limits{RequestLine: 100, Fields: 5, FieldSize: 60, Head: 300, Body: 20})

func TestCorpus(t *testing.T) {
	seed := rand.Uint64()
	t.Log("seed", seed)
	cuts := rand.New(rand.NewPCG(seed, 0))
	total := 0
	for group, cases := range readCorpus(t) {
		var opts []asteri.Option
		if group == "limits" {
			opts = append(opts, limitsOfCorpus)
		}
		for _, c := range cases {
			total++
			t.Run(group+"/"+c.name, func(t *testing.T) {
				if c.source == "" {
					t.Error("no source is named")
				}
				whole := replay(t, [][]byte{c.in}, c.eof, opts...)
				c.check(t, whole)
				same(t, "byte by byte", whole, replay(t, cutAll(c.in), c.eof, opts...))
				for range 5 {
					same(t, "cut at random", whole, replay(t, cutAtRandom(c.in, cuts), c.eof, opts...))
				}
			})
		}
	}
	if total < 150 {
		t.Errorf("only %d cases were read", total)
	}
}

func same(t *testing.T, how string, want, got outcome) {
	t.Helper()
	if w, g := want.String(), got.String(); w != g {
		t.Errorf("%s it is\n%s\nand whole\n%s", how, g, w)
	}
}

func (c *corpusCase) check(t *testing.T, o outcome) {
	t.Helper()
	if len(o.requests) != len(c.requests) {
		t.Fatalf("%d requests, want %d: %v", len(o.requests), len(c.requests), o)
	}
	for i := range c.requests {
		c.requests[i].check(t, o.requests[i])
	}
	var want []int
	for range c.requests {
		want = append(want, 200)
	}
	if c.status != 0 {
		// The refusal answers the last request if its body was at fault.
		if n := len(want); n > 0 && o.requests[n-1].body.ends == 0 {
			want = want[:n-1]
		}
		want = append(want, c.status)
	}
	if fmt.Sprint(o.statuses) != fmt.Sprint(want) {
		t.Errorf("statuses %d, want %d", o.statuses, want)
	}
	if o.closed != c.close {
		t.Errorf("closed %v, want %v", o.closed, c.close)
	}
}

func (want corpusRequest) check(t *testing.T, got *seen) {
	t.Helper()
	r := &got.req
	if line := r.Method + " " + string(r.Target); line != want.line {
		t.Errorf("request %q, want %q", line, want.line)
	}
	if string(got.body.body) != want.body {
		t.Errorf("body %.200q, want %.200q", got.body.body, want.body)
	}
	for _, fact := range want.facts {
		key, value, _ := strings.Cut(fact, ":")
		value = strings.TrimPrefix(value, " ")
		var have string
		switch key {
		case "path":
			have = string(r.Path)
		case "query":
			have = string(r.Query)
		case "authority":
			have = string(r.Authority)
		case "version":
			have = r.Proto.String()
		case "field":
			var name string
			name, value, _ = strings.Cut(value, ":")
			value = strings.TrimPrefix(value, " ")
			if unquoted, err := strconv.Unquote(value); err == nil {
				value = unquoted
			}
			if !r.Header.Has(name) {
				t.Errorf("no field %s", name)
			}
			have = joined(&r.Header, name)
		}
		if have != value {
			t.Errorf("%s is %q", fact, have)
		}
	}
	var trailers []string
	for _, f := range got.body.trailer.Fields() {
		trailers = append(trailers, string(f.Name)+": "+string(f.Value))
	}
	if fmt.Sprint(trailers) != fmt.Sprint(want.trailers) {
		t.Errorf("trailers %q, want %q", trailers, want.trailers)
	}
}

func joined(h *asteri.Header, name string) string {
	var values []string
	for v := range h.Values(name) {
		values = append(values, string(v))
	}
	return strings.Join(values, "|")
}
