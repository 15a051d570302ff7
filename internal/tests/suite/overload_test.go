//go:build linux

package suite

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/wstest"
)

// attackers is how many clients take part in an attack, each of which has the server
// hold some hundred kB and more.
const attackers = 100

// heldUpload sends all of a request but its last byte.
func heldUpload(conn net.Conn) {
	const size = 200_000
	fmt.Fprintf(conn, "POST /never HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s", size, pattern(size-1))
}

// zeroWindow asks for responses that it has no window for.
func zeroWindow(conn net.Conn) {
	var b, block bytes.Buffer
	framer, enc := http2.NewFramer(&b, nil), hpack.NewEncoder(&block)
	b.WriteString(http2.ClientPreface)
	_ = framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0})
	for id := uint32(1); id < 20; id += 2 {
		block.Reset()
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/large"}} {
			_ = enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]})
		}
		_ = framer.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true})
	}
	_, _ = conn.Write(b.Bytes())
}

// inflation sends a message of few bytes that stands for many, and ends it only if
// whole.
func inflation(whole bool) func(net.Conn) {
	agreed, _ := ws.CompressionOn.Negotiate(func(yield func([]byte) bool) { yield([]byte("permessage-deflate")) })
	packed := agreed.Deflater().Append(nil, make([]byte, 8<<20), true)
	bomb := ws.AppendMasked(nil, ws.Binary, true, true, [4]byte{1, 2, 3, 4}, packed)
	if !whole {
		bomb = ws.AppendMasked(nil, ws.Binary, false, false, [4]byte{1, 2, 3, 4}, make([]byte, 1<<20))
	}
	return func(conn net.Conn) {
		_, _ = io.WriteString(conn, wstest.Head("/sink", "Sec-WebSocket-Extensions: permessage-deflate")+"\r\n")
		for range 4 {
			_, _ = conn.Write(bomb)
			if !whole {
				return
			}
		}
	}
}

// TestOverload: clients that have the server hold more than it has memory for are given
// up, the greatest first; probes and honest clients are served meanwhile, and all is as
// before when the attackers have gone.
func TestOverload(t *testing.T) {
	t.Parallel()
	const budget = 8 << 20
	for name, attack := range map[string]func(net.Conn){
		"held uploads":         heldUpload,
		"zero windows":         zeroWindow,
		"inflating WebSockets": inflation(true),
		"endless messages":     inflation(false),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, app("overload_app:app", "asgi", "--buffer-budget", fmt.Sprint(budget), "--admin-listen", "127.0.0.1:0", "--graceful-timeout", "1")...)
			var conns []net.Conn
			var sending sync.WaitGroup
			honest := s.over(t, "http")
			for i := range attackers {
				conn := s.dial()
				conns = append(conns, conn)
				sending.Go(func() { attack(conn); _, _ = io.Copy(io.Discard, conn) })
				if i%10 == 0 {
					for _, path := range []string{"/livez", "/"} {
						honest.get(path).want(t, http.StatusOK)
						contains(t, s.exchange("GET "+path+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"), "HTTP/1.1 200")
					}
				}
			}
			s.eventually("some are given up", func() bool {
				return metric(t, honest, "asteri_connections_shed_total", `reason="memory"`) > 0
			})
			for range 20 {
				honest.get("/").want(t, http.StatusOK)
			}
			if held := metric(t, honest, "asteri_buffer_bytes"); held > budget*12/10 {
				t.Errorf("%.0f bytes are held", held)
			}
			for _, conn := range conns { // a server cannot tell who has gone from who sends no more
				reset(t, conn)
			}
			sending.Wait()
			s.eventually("nothing is held", func() bool { return metric(t, honest, "asteri_buffer_bytes") < 64<<10 })
		})
	}
}

// TestShedUploadIsAnswered: who is given up within a request is told to come again.
func TestShedUploadIsAnswered(t *testing.T) {
	t.Parallel()
	s := start(t, app("overload_app:app", "asgi", "--buffer-budget", fmt.Sprint(2<<20), "--graceful-timeout", "1")...)
	answers := make(chan string, attackers)
	for range attackers {
		conn := s.dial()
		go func() {
			heldUpload(conn)
			got, _ := io.ReadAll(conn)
			answers <- string(got)
		}()
	}
	for got := range answers {
		if strings.HasPrefix(got, "HTTP/1.1 503 ") {
			contains(t, got, "\r\nRetry-After: 1\r\n")
			return
		}
	}
}
