package proxy

import (
	"bufio"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/edge/forwarded"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// whom answers with what the server is told of the client.
func whom(w http.ResponseWriter, r *http.Request) {
	h := r.Header
	fmt.Fprint(w, h["X-Forwarded-For"], h["X-Forwarded-Host"], h["X-Forwarded-Proto"], h["Forwarded"])
}

// What a trusted proxy in front says of the client is what the server is told.
func TestBehindAnotherProxy(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(whom))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL})
	trusted, err := addrset.Parse([]string{"127.0.0.1"})
	if err != nil {
		t.Fatal(err)
	}
	addr := enginetest.Serve(t, http1.Protocol(forwarded.Handler(h, forwarded.Options{Trusted: trusted, Host: true})))
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr, nil)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("X-Forwarded-For", "2001:db8::9")
	req.Header.Set("X-Forwarded-Proto", "https")
	req.Header.Set("X-Forwarded-Host", "shop.example")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	got, _ := io.ReadAll(res.Body)
	want := `[2001:db8::9] [shop.example] [https] [for="[2001:db8::9]";host="shop.example";proto=https]`
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The connection says nothing of a client that is known by what a proxy says.
func TestClientIsThatOfTheRequest(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(whom))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL})
	e := exchangetest.NewExecutor(t)
	client := netip.MustParseAddrPort("203.0.113.9:0")
	for name, c := range map[string]struct {
		scheme string
		peer   asteri.Peer
		want   string
	}{
		"https before a plain connection": {"https", asteri.Peer{Network: "tcp", Remote: client},
			`[203.0.113.9] [test.example] [https] [for=203.0.113.9;host="test.example";proto=https]`},
		"http before TLS": {"http", asteri.Peer{Network: "tcp", Remote: client, TLS: new(tls.ConnectionState)},
			`[203.0.113.9] [test.example] [http] [for=203.0.113.9;host="test.example";proto=http]`},
		"a proxy at a Unix socket": {"https", asteri.Peer{Network: "unix", Remote: client},
			`[203.0.113.9] [test.example] [https] [for=203.0.113.9;host="test.example";proto=https]`},
		"a client at a Unix socket": {"http", asteri.Peer{Network: "unix"},
			`[] [test.example] [http] [for=unknown;host="test.example";proto=http]`},
	} {
		r := asteri.Request{Scheme: c.scheme, Peer: &c.peer}
		r.Header.Add("X-Forwarded-For", "198.51.100.1")
		if res := exchangetest.New(t, e, r).Answer(h); string(res.Body) != c.want {
			t.Errorf("%s: got  %s\nwant %s", name, res.Body, c.want)
		}
	}
}

// Trailer fields of a request that were announced reach the server; names that no trailer
// may have are no reason to refuse the request.
func TestRequestTrailers(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		fmt.Fprintf(w, "%s %v %v", body, err, r.Trailer)
	}))
	defer server.Close()
	addr := enginetest.Serve(t, http1.Protocol(newProxy(t, Options{Target: server.URL})))
	for announced, want := range map[string]string{
		"Checksum, Other":          "content <nil> map[Checksum:[42] Other:[]]",
		"Content-Length, Checksum": "content <nil> map[Checksum:[42]]",
	} {
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprintf(conn, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: %s\r\n\r\n"+
			"7\r\ncontent\r\n0\r\nChecksum: 42\r\n\r\n", announced)
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		got, _ := io.ReadAll(res.Body)
		if string(got) != want {
			t.Errorf("%s: got %d %q, want %q", announced, res.StatusCode, got, want)
		}
	}
}
