//go:build linux

package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"testing"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// connect asks for a WebSocket by an extended CONNECT (RFC 8441, RFC 9220), over
// HTTP/3 if that is what the client speaks, and returns the answer's status.
func (c *client) connect(s *server, path string) (stream net.Conn, status string) {
	c.t.Helper()
	stream, response := c.connectAs(s, c.request("CONNECT", path, nil, "Sec-WebSocket-Version: 13"))
	return stream, strconv.Itoa(response.StatusCode)
}

// connectAs is connect with a request whose method is CONNECT.
func (c *client) connectAs(s *server, r *http.Request) (net.Conn, *http.Response) {
	c.t.Helper()
	if c.version == "3" {
		return c.connectH3(s, r)
	}
	return c.connectH2(s, r)
}

// asConnect makes an extended CONNECT of an opening handshake of RFC 6455 (RFC 8441
// section 5).
func (c *client) asConnect(head string) *http.Request {
	c.t.Helper()
	shake, err := http.ReadRequest(bufio.NewReader(strings.NewReader(head + "\r\n")))
	if err != nil {
		c.t.Fatal(err)
	}
	r := c.request("CONNECT", shake.RequestURI, nil)
	r.Host, r.Header = shake.Host, shake.Header
	for _, name := range []string{"Connection", "Upgrade", "Sec-WebSocket-Key"} {
		r.Header.Del(name)
	}
	return r
}

// h2Stream is an extended CONNECT on an HTTP/2 connection of its own: what clients
// of the standard library do not offer. It answers the server's frames as far as
// the tests need it.
type h2Stream struct {
	net.Conn
	framer *http2.Framer
	in     bytes.Buffer
	ended  bool

	first        int64 // the window that streams begin with, as the server has it
	stream, conn int64 // what may be sent
}

// h2Window is the client's own: enough for all that a test receives on a stream.
const h2Window = 1 << 30

func (c *client) connectH2(s *server, r *http.Request) (*h2Stream, *http.Response) {
	t := c.t
	t.Helper()
	conn := s.in(t).dial()
	scheme, authority, _ := strings.Cut(c.base, "://")
	if scheme == "https" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	if r.Host != "" {
		authority = r.Host
	}
	st := &h2Stream{Conn: conn, framer: http2.NewFramer(conn, conn), first: 65535, stream: 65535, conn: 65535}
	st.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	write := func(name, value string) {
		if err := enc.WriteField(hpack.HeaderField{Name: name, Value: value}); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range [][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", scheme}, {":path", r.URL.RequestURI()}, {":authority", authority},
	} {
		write(f[0], f[1])
	}
	for name, values := range r.Header {
		for _, value := range values {
			write(strings.ToLower(name), value)
		}
	}
	for _, err := range []error{
		st.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: h2Window}),
		st.framer.WriteWindowUpdate(0, h2Window),
		st.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}),
	} {
		if err != nil {
			t.Fatal(err)
		}
	}
	for {
		f, err := st.next()
		if err != nil {
			t.Fatal(err)
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			return st, h2Response(t, h)
		}
	}
}

func h2Response(t testing.TB, h *http2.MetaHeadersFrame) *http.Response {
	t.Helper()
	status, err := strconv.Atoi(h.PseudoValue("status"))
	if err != nil {
		t.Fatal(err)
	}
	response := &http.Response{StatusCode: status, Header: http.Header{}}
	for _, f := range h.RegularFields() {
		response.Header.Add(f.Name, f.Value)
	}
	return response
}

// next reads a frame and does what must be done about it.
func (st *h2Stream) next() (http2.Frame, error) {
	f, err := st.framer.ReadFrame()
	if err != nil {
		return nil, err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if f.IsAck() {
			break
		}
		if first, ok := f.Value(http2.SettingInitialWindowSize); ok {
			st.stream += int64(first) - st.first
			st.first = int64(first)
		}
		return f, st.framer.WriteSettingsAck()
	case *http2.WindowUpdateFrame:
		if f.StreamID == 0 {
			st.conn += int64(f.Increment)
		} else {
			st.stream += int64(f.Increment)
		}
	case *http2.DataFrame:
		st.in.Write(f.Data())
		st.ended = f.StreamEnded()
	case *http2.RSTStreamFrame:
		return nil, http2.StreamError{StreamID: f.StreamID, Code: f.ErrCode}
	}
	return f, nil
}

// Read returns what came in DATA frames.
func (st *h2Stream) Read(p []byte) (int, error) {
	for st.in.Len() == 0 {
		if st.ended {
			return 0, io.EOF
		}
		if _, err := st.next(); err != nil {
			return 0, err
		}
	}
	return st.in.Read(p)
}

// Write sends p in DATA frames, as the server's windows allow.
func (st *h2Stream) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(int64(len(rest)), 16<<10, st.stream, st.conn)
		if n <= 0 {
			if _, err := st.next(); err != nil {
				return 0, err
			}
			continue
		}
		if err := st.framer.WriteData(1, false, rest[:n]); err != nil {
			return 0, err
		}
		st.stream -= n
		st.conn -= n
		rest = rest[n:]
	}
	return len(p), nil
}

// h3Stream is an extended CONNECT on an HTTP/3 connection of its own.
type h3Stream struct {
	*http3.RequestStream
	conn *quic.Conn
}

func (st h3Stream) LocalAddr() net.Addr  { return st.conn.LocalAddr() }
func (st h3Stream) RemoteAddr() net.Addr { return st.conn.RemoteAddr() }

// Close leaves, as a client does that has gone.
func (st h3Stream) Close() error {
	return st.conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
}

func (c *client) connectH3(s *server, r *http.Request) (h3Stream, *http.Response) {
	t := c.t
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	t.Cleanup(cancel)
	conn, err := quic.DialAddr(ctx, s.addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = conn.CloseWithError(0, "") })
	h3 := new(http3.Transport).NewClientConn(conn)
	select {
	case <-h3.ReceivedSettings():
		equal(t, "extended CONNECT is offered", h3.Settings().EnableExtendedConnect, true)
	case <-ctx.Done():
		t.Fatal("no settings")
	}
	stream, err := h3.OpenRequestStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	r.Proto = "websocket"
	if err := stream.SendRequestHeader(r); err != nil {
		t.Fatal(err)
	}
	response, err := stream.ReadResponse()
	if err != nil {
		t.Fatal(err)
	}
	return h3Stream{stream, conn}, response
}
