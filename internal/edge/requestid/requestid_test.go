package requestid

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// exchange is one of which only the request matters.
type exchange struct {
	asteri.Exchange
	r *asteri.Request
}

func (x *exchange) Request() *asteri.Request { return x.r }

const field = "X-Request-ID"

func serve(t *testing.T, peer asteri.Peer, given ...string) *asteri.Request {
	t.Helper()
	trusted, err := addrset.Parse([]string{"10.0.0.0/8", "unix"})
	if err != nil {
		t.Fatal(err)
	}
	r := &asteri.Request{Method: "GET", Peer: &peer}
	for _, id := range given {
		r.Header.Add("x-request-id", id)
	}
	r.Header.Add("Accept", "*/*")
	x := &exchange{r: r}
	served := false
	Handler(asteri.HandlerFunc(func(asteri.Exchange) { served = true }), field, trusted).ServeExchange(x)
	if !served {
		t.Fatal("not passed on")
	}
	got := r.Handling.ID
	if fields := r.Header.Get(field); string(fields) != got || !Valid(fields) {
		t.Errorf("the id is %q, the field %q", got, fields)
	}
	if n := strings.Count(names(r), field); n != 1 {
		t.Errorf("%d fields", n)
	}
	return r
}

func names(r *asteri.Request) string {
	var all strings.Builder
	for _, f := range r.Header.Fields() {
		if asteri.EqualFold(f.Name, field) {
			all.WriteString(field)
		}
	}
	return all.String()
}

func tcp(addr string) asteri.Peer {
	return asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort(addr)}
}

func TestIDs(t *testing.T) {
	anonymous := tcp("10.0.0.1:1")
	anonymous.Proxy = &asteri.Proxy{Anonymous: true}
	for name, tc := range map[string]struct {
		peer  asteri.Peer
		given string
		kept  bool
	}{
		"of a proxy":            {tcp("10.0.0.1:1"), "abc-DEF_1.2:3/4+5=6@7~8", true},
		"at a Unix socket":      {asteri.Peer{Network: "unix"}, "abc", true},
		"the longest":           {tcp("10.0.0.1:1"), strings.Repeat("a", MaxLength), true},
		"of a client":           {tcp("192.0.2.1:1"), "abc", false},
		"of nobody":             {anonymous, "abc", false},
		"empty":                 {tcp("10.0.0.1:1"), "", false},
		"too long":              {tcp("10.0.0.1:1"), strings.Repeat("a", MaxLength+1), false},
		"with a space":          {tcp("10.0.0.1:1"), "a b", false},
		"with quotes":           {tcp("10.0.0.1:1"), `a"b`, false},
		"with a control char":   {tcp("10.0.0.1:1"), "a\x1bb", false},
		"not ASCII":             {tcp("10.0.0.1:1"), "é", false},
		"a template of a shell": {tcp("10.0.0.1:1"), "$(id)", false},
	} {
		if r := serve(t, tc.peer, tc.given); (r.Handling.ID == tc.given) != tc.kept {
			t.Errorf("%s: %q", name, r.Handling.ID)
		}
	}
}

func TestMadeIDs(t *testing.T) {
	seen := make(map[string]bool)
	for range 1000 {
		id := serve(t, tcp("192.0.2.1:1")).Handling.ID
		if len(id) != 32 || seen[id] {
			t.Fatalf("%q, again: %v", id, seen[id])
		}
		seen[id] = true
	}
	if id := serve(t, tcp("10.0.0.1:1"), "a", "b").Handling.ID; len(id) != 32 {
		t.Errorf("of several: %q", id)
	}
}

// An id costs its string and nothing more, whatever the next handler does.
func TestAllocations(t *testing.T) {
	peer := tcp("192.0.2.1:1")
	r := &asteri.Request{Method: "GET", Peer: &peer}
	x := &exchange{r: r}
	h := Handler(asteri.HandlerFunc(func(asteri.Exchange) {}), field, &addrset.Set{})
	if n := testing.AllocsPerRun(100, func() {
		r.Header.Reset()
		h.ServeExchange(x)
	}); n > 1 {
		t.Errorf("%v allocations", n)
	}
}

func BenchmarkHandler(b *testing.B) {
	peer := tcp("192.0.2.1:1")
	r := &asteri.Request{Method: "GET", Peer: &peer}
	x := &exchange{r: r}
	h := Handler(asteri.HandlerFunc(func(asteri.Exchange) {}), field, &addrset.Set{})
	b.ReportAllocs()
	for b.Loop() {
		r.Header.Reset()
		h.ServeExchange(x)
	}
}
