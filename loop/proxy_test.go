package loop_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// whoami answers the first bytes with what the loop says of the connection, and
// echoes what was sent.
func whoami() loop.Protocol {
	return protocol{"whoami", func(c loop.Conn) loop.Session {
		i := c.Info()
		nobody := ""
		if i.Anonymous {
			nobody = ", of nobody"
		}
		c.Write(fmt.Appendf(nil, "%v %v %t%s\n", i.Remote, i.Local(), i.Proxied, nobody))
		return &echoSession{conn: c}
	}}
}

// loopback is true for peers at a Unix socket, too.
func loopback(a netip.Addr) bool { return !a.IsValid() || a.IsLoopback() }

const (
	headerV1 = "PROXY TCP4 192.0.2.1 198.51.100.2 12345 443\r\n"
	headerV2 = "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x0c\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb"
	proxied  = "192.0.2.1:12345 198.51.100.2:443 true\n"
)

// behind listens for proxies on this machine.
func behind(t *testing.T, e *loop.Engine, cfg loop.ListenConfig) net.Addr {
	t.Helper()
	if cfg.Addr == "" {
		cfg.Addr = "127.0.0.1:0"
	}
	cfg.ProxyProtocol, cfg.Proxies, cfg.Protocols = loop.ProxyAny, loopback, []loop.Protocol{whoami()}
	return listen(t, e, cfg)
}

func TestProxyHeader(t *testing.T) {
	e := start(t, loop.Config{})
	for name, addr := range map[string]net.Addr{
		"tcp":  behind(t, e, loop.ListenConfig{}),
		"unix": behind(t, e, loop.ListenConfig{Addr: "unix:" + filepath.Join(t.TempDir(), "s")}),
	} {
		t.Run(name, func(t *testing.T) {
			for _, header := range []string{headerV1, headerV2} {
				c := dial(t, addr)
				sendAll(t, c, header+"hello")
				wantText(t, c, proxied+"hello")

				c = dial(t, addr)
				for i := range len(header) {
					sendAll(t, c, header[i:i+1])
				}
				wantText(t, c, proxied)
			}
		})
	}
}

func TestProxyKnowsNoClient(t *testing.T) {
	e := start(t, loop.Config{})
	addr := behind(t, e, loop.ListenConfig{})
	for _, header := range []string{
		"PROXY UNKNOWN\r\n",
		"\r\n\r\n\x00\r\nQUIT\n\x21\x00\x00\x00", // no address
		"\r\n\r\n\x00\r\nQUIT\n\x20\x00\x00\x00", // LOCAL
	} {
		c := dial(t, addr)
		sendAll(t, c, header)
		wantText(t, c, fmt.Sprintf("%v %v true, of nobody\n", c.LocalAddr(), addr))
	}
}

func TestProxyHeaderBeforeTLS(t *testing.T) {
	e := start(t, loop.Config{})
	cert := selfSigned(t)
	addr := behind(t, e, loop.ListenConfig{TLS: func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}} }})
	for _, header := range []string{headerV1, headerV2} {
		c := dial(t, addr)
		sendAll(t, c, header)
		s := tls.Client(c, &tls.Config{InsecureSkipVerify: true})
		wantText(t, s, proxied)
	}
}

func TestProxyHeaderRefused(t *testing.T) {
	e := start(t, loop.Config{})
	addr := behind(t, e, loop.ListenConfig{})
	neighbour := dial(t, addr)
	sendAll(t, neighbour, headerV1)
	wantText(t, neighbour, proxied)
	want := make(map[string]uint64)
	for reason, in := range map[string]string{
		"proxy_missing":     "GET / HTTP/1.1\r\n\r\n",
		"proxy_malformed":   "PROXY TCP4 1.2.3.4 5.6.7.8 x y\r\n",
		"proxy_too_long":    "PROXY UNKNOWN " + strings.Repeat("x", 200),
		"proxy_unsupported": "PROXY TCP9 1.2.3.4 5.6.7.8 1 2\r\n",
		"proxy_checksum": "\r\n\r\n\x00\r\nQUIT\n\x21\x11\x00\x13\xc0\x00\x02\x01\xc6\x33\x64\x02\x30\x39\x01\xbb" +
			"\x03\x00\x04abcd",
	} {
		c := dial(t, addr)
		sendAll(t, c, in)
		wantEnd(t, c)
		want[reason]++
	}
	c := dial(t, addr)
	sendAll(t, c, headerV2[:20])
	closeWrite(t, c)
	wantEnd(t, c)
	want["proxy_incomplete"]++
	if got := fmt.Sprint(e.Stats().Refused); got != fmt.Sprint(want) {
		t.Errorf("counted %v, want %v", got, want)
	}
	sendAll(t, neighbour, "still here")
	wantText(t, neighbour, "still here")
}

func TestProxyHeaderDeadline(t *testing.T) {
	e := start(t, loop.Config{HandshakeTimeout: 50 * time.Millisecond})
	addr := behind(t, e, loop.ListenConfig{})
	c := dial(t, addr)
	sendAll(t, c, headerV1[:9])
	wantEnd(t, c)
	if n := e.Stats().Refused["proxy_incomplete"]; n != 1 {
		t.Errorf("counted %d", n)
	}
	c = dial(t, addr)
	sendAll(t, c, headerV1)
	wantText(t, c, proxied) // the deadline is over with the header
	waitFor(t, "the deadline to have passed", func() bool {
		idle := dial(t, addr)
		defer idle.Close()
		_ = idle.SetReadDeadline(time.Now().Add(time.Second))
		_, err := idle.Read(make([]byte, 1))
		return err == io.EOF || isReset(err)
	})
	sendAll(t, c, "on")
	wantText(t, c, "on")
}

func TestProxyHeaderOfAStranger(t *testing.T) {
	e := start(t, loop.Config{})
	addr := listen(t, e, loop.ListenConfig{
		Addr: "127.0.0.1:0", Protocols: []loop.Protocol{whoami()},
		ProxyProtocol: loop.ProxyV1, Proxies: func(netip.Addr) bool { return false },
	})
	for _, header := range []string{headerV1, headerV2, "PROXY "} {
		c := dial(t, addr)
		sendAll(t, c, header)
		wantEnd(t, c)
	}
	if n := e.Stats().Refused["proxy_not_allowed"]; n != 3 {
		t.Errorf("counted %d", n)
	}
	for _, in := range []string{"hello", "P", "PROXIMA", "\r\n\r\nhello"} {
		c := dial(t, addr)
		own := fmt.Sprintf("%v %v false\n", c.LocalAddr(), addr)
		sendAll(t, c, in)
		if in == "P" { // may still become a header
			sendAll(t, c, "OST")
			in = "POST"
		}
		wantText(t, c, own+in)
	}
}

func TestConnectionsPerAddress(t *testing.T) {
	e := start(t, loop.Config{Loops: 2, MaxConnectionsPerAddress: 2})
	addr := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{whoami()}})
	first, second := enter(t, addr, ""), enter(t, addr, "")
	wantEnd(t, dial(t, addr))
	if n := e.Stats().Refused["max_connections_per_address"]; n != 1 {
		t.Errorf("counted %d", n)
	}
	first.Close()
	waitFor(t, "room for one more", func() bool { return admitted(t, addr, "") })
	sendAll(t, second, "well")
	wantText(t, second, "well")
}

// It is the client whose connections count, not the proxy.
func TestConnectionsPerAddressBehindAProxy(t *testing.T) {
	e := start(t, loop.Config{Loops: 2, MaxConnectionsPerAddress: 1})
	addr := behind(t, e, loop.ListenConfig{})
	v6 := func(host string) string { return "PROXY TCP6 " + host + " 2001:db8::2 1 2\r\n" }
	enter(t, addr, headerV1)
	if admitted(t, addr, headerV1) {
		t.Error("a client has two connections")
	}
	one := enter(t, addr, v6("2001:db8::1"))
	if admitted(t, addr, v6("2001:db8::ffff")) {
		t.Error("a network of IPv6 has two connections")
	}
	enter(t, addr, v6("2001:db8:0:1::1"))
	one.Close()
	waitFor(t, "room for one more", func() bool { return admitted(t, addr, v6("2001:db8::2")) })
}

func TestExemptFromConnectionsPerAddress(t *testing.T) {
	e := start(t, loop.Config{MaxConnectionsPerAddress: 1, Exempt: loopback})
	addr := listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{whoami()}})
	for range 5 {
		enter(t, addr, "")
	}
}

// enter opens a connection that stays.
func enter(t *testing.T, addr net.Addr, header string) net.Conn {
	t.Helper()
	c, ok := knock(t, addr, header)
	if !ok {
		t.Fatal("turned away")
	}
	return c
}

func admitted(t *testing.T, addr net.Addr, header string) bool {
	t.Helper()
	c, ok := knock(t, addr, header)
	c.Close()
	return ok
}

// knock connects and tells whether it was let in.
func knock(t *testing.T, addr net.Addr, header string) (net.Conn, bool) {
	t.Helper()
	c := dial(t, addr)
	_, _ = io.WriteString(c, header) // an error shows when reading
	_, err := c.Read(make([]byte, 100))
	return c, err == nil
}

func sendAll(t *testing.T, c net.Conn, s string) {
	t.Helper()
	if _, err := io.WriteString(c, s); err != nil {
		t.Fatal(err)
	}
}

func wantText(t *testing.T, c net.Conn, want string) {
	t.Helper()
	got := make([]byte, len(want))
	if n, err := io.ReadFull(c, got); err != nil || string(got) != want {
		t.Fatalf("read %q, %v; want %q", got[:n], err, want)
	}
}

// wantEnd expects the connection to be closed without a word.
func wantEnd(t *testing.T, c net.Conn) {
	t.Helper()
	if n, err := c.Read(make([]byte, 1)); n > 0 || err != io.EOF && !isReset(err) {
		t.Fatalf("read %d bytes, %v", n, err)
	}
}

func closeWrite(t *testing.T, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
}
