package http1

import (
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
	"github.com/asteri/asteri-loop/loop"
)

// sinkOf takes the bytes of a tunnel.
type sinkOf struct {
	body func()
	end  func()
}

func (s sinkOf) OnBody([]byte) {
	if s.body != nil {
		s.body()
	}
}

func (s sinkOf) OnEnd(*asteri.Header) {
	if s.end != nil {
		s.end()
	}
}
func (s sinkOf) OnError(error) {}

// upgrading makes tunnels, with what tunnel does to them.
func upgrading(t *testing.T, tunnel func(x asteri.Exchange, u asteri.Tunnel)) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		h := new(asteri.Header)
		h.Add("Upgrade", "test")
		u, err := x.Upgrade(h)
		if err != nil {
			t.Error(err)
			return
		}
		tunnel(x, u)
	})
}

// openTunnel makes a tunnel as its client.
func openTunnel(t *testing.T, addr, path string) *net.TCPConn {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	_ = conn.SetDeadline(time.Now().Add(enginetest.Patience))
	if _, err := io.WriteString(conn, "GET "+path+" HTTP/1.1\r\nHost: a\r\nConnection: upgrade\r\nUpgrade: test\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	var head []byte
	for one := make([]byte, 1); !strings.HasSuffix(string(head), "\r\n\r\n"); {
		if _, err := conn.Read(one); err != nil {
			if strings.Contains(err.Error(), "reset") { // by a crash that was faster
				break
			}
			t.Fatal(err)
		}
		head = append(head, one[0])
	}
	if len(head) > 0 && !strings.HasPrefix(string(head), "HTTP/1.1 101 ") {
		t.Fatalf("got %q", head)
	}
	return conn.(*net.TCPConn)
}

// wantEnd waits for the server to end a connection.
func wantEnd(t *testing.T, conn net.Conn) {
	t.Helper()
	if _, err := io.Copy(io.Discard, conn); err != nil && !strings.Contains(err.Error(), "reset") {
		t.Errorf("the tunnel goes on: %v", err)
	}
}

// A callback of a tunnel that does not return costs the tunnel.
func TestTunnelCallbacksThatDoNotReturn(t *testing.T) {
	for how, crash := range map[string]func(){"panic": func() { panic("as asked") }, "goexit": runtime.Goexit} {
		t.Run(how, func(t *testing.T) {
			var log logtest.Text
			engine := enginetest.Start(t, loop.Config{Loops: 1})
			addr := engine.Listen(Protocol(upgrading(t, func(x asteri.Exchange, u asteri.Tunnel) {
				switch string(x.Request().Path) {
				case "/body":
					u.Read(sinkOf{body: crash})
				case "/end":
					u.Read(sinkOf{end: crash})
				case "/drain":
					u.OnDrain(crash)
				case "/post":
					go u.Post(crash)
				case "/shutdown":
					u.Read(sinkOf{})
					u.OnShutdown(crash)
				}
			}), asteri.WithLogger(log.Logger()))).String()
			for _, path := range []string{"/body", "/end", "/drain", "/post"} {
				for range 3 {
					conn := openTunnel(t, addr, path)
					_, _ = io.WriteString(conn, "something")
					_ = conn.CloseWrite()
					wantEnd(t, conn)
				}
			}
			conn := openTunnel(t, addr, "/shutdown")
			engine.Stop()
			wantEnd(t, conn)
			if !log.Has("handler panicked") {
				t.Error("nothing is logged")
			}
		})
	}
}

// A tunnel whose peer sends no more, and whose handler does nothing about it, ends; one
// in which something is said goes on.
func TestHalfClosedTunnelsEnd(t *testing.T) {
	const limit = 200 * time.Millisecond
	engine := enginetest.Start(t, loop.Config{Loops: 1})
	addr := engine.Listen(Protocol(upgrading(t, func(x asteri.Exchange, u asteri.Tunnel) {
		u.Read(sinkOf{})
		if string(x.Request().Path) == "/talks" {
			talk(u, 10, limit/4)
		}
	}), asteri.WithTimeouts(asteri.Timeouts{Handler: limit}))).String()
	silent, talks := openTunnel(t, addr, "/"), openTunnel(t, addr, "/talks")
	for _, conn := range []*net.TCPConn{silent, talks} {
		if err := conn.CloseWrite(); err != nil {
			t.Fatal(err)
		}
	}
	wantEnd(t, silent)
	if said, _ := io.ReadAll(talks); string(said) != strings.Repeat(".", 10) {
		t.Errorf("%q was said", said)
	}
}

// talk says something every now and then.
func talk(u asteri.Tunnel, n int, every time.Duration) {
	time.AfterFunc(every, func() {
		u.Post(func() {
			if _, err := u.Write([]byte(".")); err != nil {
				return
			}
			if n > 1 {
				talk(u, n-1, every)
				return
			}
			u.Close()
		})
	})
}

// A handler without a logger of its own is not silent about its panics.
func TestPanicsGoToTheDefaultLogger(t *testing.T) {
	s := asteri.NewSettings(asteri.HandlerFunc(func(asteri.Exchange) {}))
	if s.Logger.Handler() == nil || !s.Logger.Enabled(t.Context(), 8) {
		t.Error("errors are not logged")
	}
}
