package mount

import (
	"errors"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func named(name string) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, []byte(name)) })
}

func TestHandler(t *testing.T) {
	var routes []Route
	for _, r := range []Route{
		{Prefix: "/api"}, {Prefix: "/api/v2"}, {Prefix: "/a%b"},
		{Host: "example.com", Prefix: "/api"}, {Host: "example.com"},
		{Host: "*.example.com"}, {Host: "*.deep.example.com"}, {Host: "*.example.com", Prefix: "/api"}, {Host: "[::1]"},
	} {
		r.Handler = named(r.Host + r.Prefix)
		routes = append(routes, r)
	}
	h := Handler(routes, named("next"))
	e := exchangetest.NewExecutor(t)
	for _, c := range []struct{ host, target, want string }{
		{"other.org", "/", "next"},
		{"other.org", "/api", "/api"},
		{"other.org", "/api/", "/api"},
		{"other.org", "/api/x?y=/api/v2", "/api"},
		{"other.org", "/apis", "next"},
		{"other.org", "/API", "next"},
		{"other.org", "/api/v2/x", "/api/v2"},
		{"other.org", "/api/v22", "/api"},
		{"other.org", "/%61pi/x", "/api"},
		{"other.org", "/api%2Fv2", "next"},
		{"other.org", "/x/../api", "/api"},
		{"other.org", "/api/../x", "next"},
		{"other.org", "/api/%2e%2e/x", "next"},
		{"other.org", "/api/..", "next"},
		{"other.org", "/api/.", "/api"},
		{"other.org", "/api/v2/../x", "/api"},
		{"other.org", "/api;x/../api", "/api"},
		{"other.org", "/api//../x", "/api"},
		{"other.org", "/x/..%2fapi", "next"}, // no mount routes it
		{"other.org", "/api/a%2Fb", "/api"},
		{"other.org", "/api/%252e%252e/x", "/api"},
		{"other.org", "/api/..%2fx", ""},
		{"other.org", "/api/a%2f..", ""},
		{"other.org", "/api/..%5cx", ""},
		{"other.org", "/api/..\\x", ""},
		{"other.org", "/api/..;/x", ""},
		{"example.com", "/..%2fx", "example.com"}, // there is nothing to leave
		{"other.org", "//api", "next"},
		{"other.org", "*", "next"},
		{"other.org", "/a%25b", "/a%b"},
		{"example.com", "/", "example.com"},
		{"EXAMPLE.com:8443", "/x", "example.com"},
		{"example.com.", "/api/x", "example.com/api"},
		{"example.com", "/api/v2", "example.com/api"},
		{"www.example.com", "/", "*.example.com"},
		{"a.b.Example.com:80", "/", "*.example.com"},
		{"www.example.com", "/api/v2", "*.example.com/api"},
		{"x.deep.example.com", "/api", "*.deep.example.com"},
		{"deep.example.com", "/", "*.example.com"},
		{".example.com", "/", "next"},
		{"badexample.com", "/", "next"},
		{"[::1]:8000", "/", "[::1]"},
		{"[::1]", "/", "[::1]"},
		{"", "/api", "/api"},
	} {
		res := exchangetest.New(t, e, asteri.Request{Target: []byte(c.target), Authority: []byte(c.host)}).Answer(h)
		if c.want == "" && !errors.Is(res.Err, asteri.ErrAmbiguousPath) || string(res.Body) != c.want {
			t.Errorf("%s%s goes to %q, %v; want %q", c.host, c.target, res.Body, res.Err, c.want)
		}
	}
	if r := exchangetest.Get(t, e, "/").Answer(Handler(nil, nil)); r.Status != 404 {
		t.Errorf("what fits nothing: %d", r.Status)
	}
}
