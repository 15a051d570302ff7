package http2_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

// listenUpgradable serves h over HTTP/1.1, from which clients may go on to HTTP/2.
func listenUpgradable(t *testing.T, h asteri.Handler) net.Addr {
	t.Helper()
	h2 := http2.Protocol(h)
	return enginetest.Start(t, loop.Config{Loops: 1}).Listen(http1.Takeover{
		Token:   http2.UpgradeToken,
		Session: func(c loop.Conn, r *asteri.Request) loop.Session { return http2.Upgrade(h2, c, r) },
	}.Protocol(h))
}

const clientPreface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"

func TestUpgrade(t *testing.T) {
	seen := make(chan string, 2)
	addr := listenUpgradable(t, asteri.HandlerFunc(func(x asteri.Exchange) {
		r := x.Request()
		seen <- r.Proto.String() + " " + string(r.Target) + " " + string(r.Authority) + " " + string(r.Header.Get("x-test"))
		if r.Header.Has("upgrade") || r.Header.Has("connection") || r.Header.Has("http2-settings") {
			t.Error("fields of the upgrade reach the handler")
		}
		_ = x.Respond(200, nil, []byte("hello"))
	}))
	c, err := net.Dial("tcp", addr.String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(10 * time.Second))
	_, err = io.WriteString(c, "GET /a?b HTTP/1.1\r\nHost: a.example\r\nX-Test: 1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABkAAQAAP__\r\n\r\n"+clientPreface)
	if err != nil {
		t.Fatal(err)
	}
	br := bufio.NewReader(c)
	res, err := http.ReadResponse(br, nil)
	if err != nil || res.StatusCode != 101 || res.Header.Get("Upgrade") != "h2c" {
		t.Fatalf("%v, %v", res, err)
	}
	fr := xhttp2.NewFramer(c, br)
	if err := fr.WriteSettings(); err != nil {
		t.Fatal(err)
	}
	if err := fr.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 3, EndHeaders: true, EndStream: true, BlockFragment: block(":method", "GET", ":scheme", "http", ":path", "/c", ":authority", "a.example")}); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	for ended := 0; ended < 2; {
		f, err := fr.ReadFrame()
		if err != nil {
			t.Fatal(err)
		}
		if d, ok := f.(*xhttp2.DataFrame); ok {
			got.Write(d.Data())
			if d.StreamEnded() {
				ended++
			}
		}
	}
	if served := <-seen + "|" + <-seen; got.String() != "hellohello" || served != "HTTP/2 /a?b a.example 1|HTTP/2 /c a.example " {
		t.Errorf("got %q; served %q", got.String(), served)
	}
}

func block(pairs ...string) []byte {
	var b strings.Builder
	e := hpack.NewEncoder(&b)
	for i := 0; i < len(pairs); i += 2 {
		_ = e.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return []byte(b.String())
}

// Who does not ask as it should is served in HTTP/1.1.
func TestUpgradeThatIsNone(t *testing.T) {
	addr := listenUpgradable(t, asteri.HandlerFunc(func(x asteri.Exchange) {
		x.ReadBody(drop{})
		_ = x.Respond(200, nil, []byte(x.Request().Proto.String()))
	}))
	for name, in := range map[string]string{
		"no settings":       "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\n\r\n",
		"settings unnamed":  "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"two settings":      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"settings cut":      "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMA\r\n\r\n",
		"settings nonsense": "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: ???\r\n\r\n",
		"other protocol":    "GET / HTTP/1.1\r\nHost: a\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2\r\nHTTP2-Settings: AAMAAABk\r\n\r\n",
		"content":           "POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\nx",
	} {
		t.Run(name, func(t *testing.T) {
			c, err := net.Dial("tcp", addr.String())
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			_ = c.SetDeadline(time.Now().Add(10 * time.Second))
			if _, err := io.WriteString(c, in); err != nil {
				t.Fatal(err)
			}
			res, err := http.ReadResponse(bufio.NewReader(c), nil)
			if err != nil || res.StatusCode != 200 {
				t.Fatalf("%v, %v", res, err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != "HTTP/1.1" {
				t.Errorf("served as %q", body)
			}
			res.Body.Close()
		})
	}
}

// drop is a sink that wants nothing.
type drop struct{}

func (drop) OnBody([]byte)        {}
func (drop) OnEnd(*asteri.Header) {}
func (drop) OnError(error)        {}

// foreign is a protocol of another package.
type foreign struct{ loop.Protocol }

func TestUpgradeToAForeignProtocol(t *testing.T) {
	r := &asteri.Request{Peer: new(asteri.Peer)}
	r.Header.Add("Connection", "Upgrade, HTTP2-Settings")
	r.Header.Add("HTTP2-Settings", "AAMAAABkAAQAAP__")
	if s := http2.Upgrade(foreign{}, nil, r); s != nil {
		t.Errorf("the session is %v", s)
	}
}
