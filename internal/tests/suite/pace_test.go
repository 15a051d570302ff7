//go:build linux

package suite

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http"
	"strconv"
	"testing"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// startPaced starts a server that wants 2000 bytes a second of its clients, both ways,
// and no other deadline that a test could meet.
func startPaced(t *testing.T) *server {
	a := newAuthority(t)
	cert, key := a.server("localhost")
	return start(t, app("pace_app:app", "asgi", "--certfile", cert, "--keyfile", key, "--protocols", "http,https",
		"--min-body-rate", "2000", "--min-response-rate", "2000", "--rate-grace", "2s", "--write-timeout", "5m", "--body-timeout", "5m", "--keep-alive", "1m")...)
}

// trickle gives one byte after the other, ten a second.
type trickle struct{ left int }

func (d *trickle) Read(p []byte) (int, error) {
	if d.left--; d.left < 0 {
		return 0, io.EOF
	}
	time.Sleep(100 * time.Millisecond)
	p[0] = 'x'
	return 1, nil
}

// TestSlowUploads: who sends a body by a few bytes a second is told, in all versions of
// HTTP.
func TestSlowUploads(t *testing.T) {
	t.Parallel()
	overAll(t, startPaced(t), func(t *testing.T, c *client) {
		response, err := c.http.Do(c.request("POST", "/size", &trickle{left: 1000}))
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		equal(t, "status", response.StatusCode, http.StatusRequestTimeout)
	})
}

// overAll runs check over all versions of HTTP beside each other.
func overAll(t *testing.T, s *server, check func(*testing.T, *client)) {
	for _, scheme := range versions {
		t.Run(scheme, func(t *testing.T) {
			t.Parallel()
			check(t, s.in(t).over(t, scheme))
		})
	}
}

// TestPatientClients: nobody is too slow who waits for the application.
func TestPatientClients(t *testing.T) {
	t.Parallel()
	overAll(t, startPaced(t), func(t *testing.T, c *client) {
		equal(t, "long poll", c.get("/poll").want(t, 200), "news")
		equal(t, "events", c.get("/events").want(t, 200), "data: x\n\ndata: x\n\ndata: end\n\n")
		body := bytes.Repeat([]byte("x"), 3<<20) // more than all windows
		equal(t, "body of a late reader", c.do("POST", "/late", bytes.NewReader(body)).want(t, 200), strconv.Itoa(len(body)))
		equal(t, "large response", len(c.get("/large").want(t, 200)), 800*65536)
	})
}

// TestSlowReaders: who takes a response by a few bytes a second does not keep its
// connection, or its stream.
func TestSlowReaders(t *testing.T) {
	t.Parallel()
	s := startPaced(t)
	for _, secure := range []bool{false, true} {
		t.Run("HTTP/1.1, TLS "+strconv.FormatBool(secure), func(t *testing.T) {
			t.Parallel()
			c := s.in(t).dial()
			if err := c.(*net.TCPConn).SetReadBuffer(16 << 10); err != nil {
				t.Fatal(err)
			}
			if secure {
				c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
			}
			if _, err := io.WriteString(c, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
				t.Fatal(err)
			}
			wantCut(t, c)
		})
	}
	t.Run("HTTP/3", func(t *testing.T) {
		t.Parallel()
		response, err := s.in(t).over(t, "h3").http.Get("https://" + s.addr + "/large")
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		wantCut(t, response.Body)
	})
	for name, connection := range map[string]bool{"a stream's window": false, "the connection's window": true} {
		t.Run("HTTP/2, "+name, func(t *testing.T) {
			t.Parallel()
			wantReset(t, s.in(t), connection)
		})
	}
}

// wantCut reads a few bytes now and then until the server has enough of it. What the
// system has received is there to be read also behind a reset: only writing tells.
func wantCut(t *testing.T, from io.Reader) {
	t.Helper()
	to, ok := from.(io.Writer)
	for end := time.Now().Add(patience); time.Now().Before(end); time.Sleep(100 * time.Millisecond) {
		if _, err := from.Read(make([]byte, 16)); err != nil {
			if errors.Is(err, io.EOF) || isTimeout(err) {
				t.Errorf("the response ends with %v", err)
			}
			return
		}
		if ok {
			if _, err := to.Write([]byte("x")); err != nil && !isTimeout(err) {
				return
			}
		}
	}
	t.Error("the response goes on")
}

// wantReset opens a window by a hundred bytes now and then until the server has enough
// of it.
func wantReset(t *testing.T, s *server, connection bool) {
	conn := s.dial()
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":authority", "x"}, {":path", "/large"}} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	window, opened := uint32(1000), uint32(1)
	if connection {
		window, opened = 1<<30, 0
	}
	_, err := io.WriteString(conn, http2.ClientPreface)
	for _, err := range []error{
		err,
		framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: window}),
		framer.WriteSettingsAck(),
		framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	done := make(chan struct{})
	defer close(done)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-time.After(150 * time.Millisecond):
				_ = framer.WriteWindowUpdate(opened, 150)
			}
		}
	}()
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			t.Fatalf("it ends with %v", err)
		}
		switch f := f.(type) {
		case *http2.RSTStreamFrame:
			equal(t, "code", f.ErrCode, http2.ErrCodeCancel)
			equal(t, "of the connection", connection, false)
			return
		case *http2.GoAwayFrame:
			equal(t, "code", f.ErrCode, http2.ErrCodeEnhanceYourCalm)
			equal(t, "of the connection", connection, true)
			return
		}
	}
}
