//go:build linux

package suite

import (
	"bytes"
	"context"
	"crypto/tls"
	"io"
	"net"
	"strconv"
	"strings"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// h2Stream is an extended CONNECT on an HTTP/2 connection of its own: what clients
// of the standard library do not offer. It answers the server's frames as far as
// the tests need it.
type h2Stream struct {
	net.Conn
	framer *http2.Framer
	in     bytes.Buffer
	ended  bool
}

// connect asks for a WebSocket by an extended CONNECT (RFC 8441, RFC 9220), over
// HTTP/3 if that is what the client speaks, and returns the answer's status.
func (c *client) connect(s *server, path string) (stream net.Conn, status string) {
	c.t.Helper()
	if c.version == "3" {
		return c.connectH3(s, path)
	}
	return c.connectH2(s, path)
}

func (c *client) connectH2(s *server, path string) (*h2Stream, string) {
	t := c.t
	t.Helper()
	conn := s.in(t).dial()
	scheme, authority, _ := strings.Cut(c.base, "://")
	if scheme == "https" {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	}
	st := &h2Stream{Conn: conn, framer: http2.NewFramer(conn, conn)}
	st.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	if _, err := io.WriteString(conn, http2.ClientPreface); err != nil {
		t.Fatal(err)
	}
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for _, f := range [][2]string{
		{":method", "CONNECT"}, {":protocol", "websocket"}, {":scheme", scheme}, {":path", path}, {":authority", authority},
		{"sec-websocket-version", "13"},
	} {
		if err := enc.WriteField(hpack.HeaderField{Name: f[0], Value: f[1]}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 20}); err != nil {
		t.Fatal(err)
	}
	if err := st.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: block.Bytes(), EndHeaders: true}); err != nil {
		t.Fatal(err)
	}
	for {
		f, err := st.next()
		if err != nil {
			t.Fatal(err)
		}
		if h, ok := f.(*http2.MetaHeadersFrame); ok {
			return st, h.PseudoValue("status")
		}
	}
}

// next reads a frame and does what must be done about it.
func (st *h2Stream) next() (http2.Frame, error) {
	f, err := st.framer.ReadFrame()
	if err != nil {
		return nil, err
	}
	switch f := f.(type) {
	case *http2.SettingsFrame:
		if !f.IsAck() {
			return f, st.framer.WriteSettingsAck()
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

// Write sends p in DATA frames; it must fit into the stream's window.
func (st *h2Stream) Write(p []byte) (int, error) {
	for rest := p; len(rest) > 0; {
		n := min(len(rest), 16<<10)
		if err := st.framer.WriteData(1, false, rest[:n]); err != nil {
			return 0, err
		}
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

func (c *client) connectH3(s *server, path string) (h3Stream, string) {
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
	case <-ctx.Done():
		t.Fatal("no settings")
	}
	stream, err := h3.OpenRequestStream(ctx)
	if err != nil {
		t.Fatal(err)
	}
	request := c.request("CONNECT", path, nil, "Sec-WebSocket-Version: 13")
	request.Proto = "websocket"
	if err := stream.SendRequestHeader(request); err != nil {
		t.Fatal(err)
	}
	response, err := stream.ReadResponse()
	if err != nil {
		t.Fatal(err)
	}
	return h3Stream{stream, conn}, strconv.Itoa(response.StatusCode)
}
