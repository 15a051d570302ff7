package http1_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
)

// TestRoute: each request has the path by which it is routed, be its head one that has
// come before or not, in every form of a target.
func TestRoute(t *testing.T) {
	addr := enginetest.Serve(t, http1.Protocol(asteri.HandlerFunc(func(x asteri.Exchange) {
		r := x.Request()
		_ = x.Respond(200, nil, fmt.Appendf(nil, "%s %s %t", r.Path, r.Route, r.Ambiguous))
	})))
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for _, c := range []struct{ target, want string }{
		{"/a/../b", "/a/../b /b false"},
		{"/a", "/a /a false"},
		{"/a/..%2fb?/../x", "/a/..%2fb /a/..%2Fb true"},
		{"/a", "/a /a false"},
		{"/?/../", "/ / false"},
		{"http://x/a/%2e%2e/b", "/a/%2e%2e/b /b false"},
		{"http://x", "/ / false"},
		{"http://x?/../", "/ / false"},
		{"*", "* * false"},
	} {
		method := "GET"
		if c.target == "*" {
			method = "OPTIONS"
		}
		for range 2 {
			fmt.Fprintf(conn, "%s %s HTTP/1.1\r\nHost: x\r\n\r\n", method, c.target)
			res, err := http.ReadResponse(in, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got, _ := io.ReadAll(res.Body); string(got) != c.want {
				t.Errorf("%s: %s, want %s", c.target, got, c.want)
			}
			res.Body.Close()
		}
	}
}
