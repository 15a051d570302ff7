package http2

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
)

// client plays the client of a fakeConn, with the codecs of golang.org/x/net.
type client struct {
	t    testing.TB
	conn *fakeConn
	home *home
	*xhttp2.Framer

	in      bytes.Buffer // frames to be fed
	read    *xhttp2.Framer
	readBuf bytes.Buffer
	block   bytes.Buffer
	enc     *hpack.Encoder
	dec     *hpack.Decoder
}

func newRawClient(t testing.TB, cfg Config, h asteri.Handler, opts ...asteri.Option) *client {
	c := &client{t: t}
	c.conn, c.home = newFakeConn(cfg, h, opts...)
	c.Framer = xhttp2.NewFramer(&c.in, nil)
	c.AllowIllegalWrites = true
	c.read = xhttp2.NewFramer(io.Discard, &c.readBuf)
	c.read.SetMaxReadFrameSize(1<<24 - 1)
	c.enc = hpack.NewEncoder(&c.block)
	c.dec = hpack.NewDecoder(4096, nil)
	return c
}

// newClient is a client that has exchanged the prefaces.
func newClient(t testing.TB, cfg Config, h asteri.Handler, opts ...asteri.Option) *client {
	t.Helper()
	return newClientWith(t, nil, cfg, h, opts...)
}

// modern is the setting of a client that knows the priorities of RFC 9218.
var modern = []xhttp2.Setting{{ID: settingNoOldPriorities, Val: 1}}

// newClientWith is newClient with settings of the client's.
func newClientWith(t testing.TB, settings []xhttp2.Setting, cfg Config, h asteri.Handler, opts ...asteri.Option) *client {
	t.Helper()
	c := newRawClient(t, cfg, h, opts...)
	c.in.WriteString(preface)
	must(t, c.WriteSettings(settings...))
	must(t, c.WriteSettingsAck())
	c.send()
	if got := c.frames(); len(got) != 3 || !strings.HasPrefix(got[0], "SETTINGS") || got[2] != "SETTINGS ack" {
		t.Fatalf("the connection begins with %q", got)
	}
	return c
}

// send feeds what was written, and runs what was posted.
func (c *client) send() {
	p := append([]byte(nil), c.in.Bytes()...)
	c.in.Reset()
	c.conn.feed(p)
	c.settle()
}

func (c *client) settle() {
	c.home.run()
	c.conn.flush()
	c.home.run()
}

// head encodes a header section: names and values.
func (c *client) head(pairs ...string) []byte {
	c.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		must(c.t, c.enc.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]}))
	}
	return append([]byte(nil), c.block.Bytes()...)
}

// request is a header section of a request, with further fields.
func request(method, path string, more ...string) []string {
	return append([]string{":method", method, ":scheme", "http", ":path", path, ":authority", "a.example"}, more...)
}

func (c *client) headers(id uint32, end bool, pairs ...string) {
	c.t.Helper()
	must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: c.head(pairs...), EndStream: end, EndHeaders: true}))
}

// get sends a GET request.
func (c *client) get(id uint32, path string, more ...string) {
	c.t.Helper()
	c.headers(id, true, request("GET", path, more...)...)
	c.send()
}

// frames returns what the server has sent since the last call, in words: the type,
// the stream if there is one, then what matters.
func (c *client) frames() (words []string) {
	c.t.Helper()
	c.conn.flush()
	c.readBuf.Write(c.conn.out)
	c.conn.out = nil
	for c.readBuf.Len() > 0 {
		f, err := c.read.ReadFrame()
		if err != nil {
			c.t.Fatalf("the server sends nonsense: %v", err)
		}
		words = append(words, c.describe(f))
	}
	return words
}

func (c *client) describe(f xhttp2.Frame) string {
	id := f.Header().StreamID
	switch f := f.(type) {
	case *xhttp2.SettingsFrame:
		if f.IsAck() {
			return "SETTINGS ack"
		}
		return "SETTINGS"
	case *xhttp2.HeadersFrame:
		return fmt.Sprintf("HEADERS %d%s: %s", id, ends(f.StreamEnded()), c.decode(f))
	case *xhttp2.DataFrame:
		return fmt.Sprintf("DATA %d%s: %s", id, ends(f.StreamEnded()), short(f.Data()))
	case *xhttp2.RSTStreamFrame:
		return fmt.Sprintf("RST_STREAM %d: %v", id, f.ErrCode)
	case *xhttp2.GoAwayFrame:
		return fmt.Sprintf("GOAWAY %d: %v", f.LastStreamID, f.ErrCode)
	case *xhttp2.WindowUpdateFrame:
		return fmt.Sprintf("WINDOW_UPDATE %d: %d", id, f.Increment)
	case *xhttp2.PingFrame:
		if f.IsAck() {
			return "PING ack " + string(f.Data[:])
		}
		return "PING " + string(f.Data[:])
	}
	return fmt.Sprint(f)
}

func ends(end bool) string {
	if end {
		return " end"
	}
	return ""
}

func short(p []byte) string {
	if len(p) > 40 {
		return fmt.Sprintf("%d bytes", len(p))
	}
	return string(p)
}

// decode returns the fields of a section, without date, which differs.
func (c *client) decode(f *xhttp2.HeadersFrame) string {
	p := append([]byte(nil), f.HeaderBlockFragment()...)
	for ended := f.HeadersEnded(); !ended; {
		next, err := c.read.ReadFrame()
		must(c.t, err)
		cont := next.(*xhttp2.ContinuationFrame)
		p = append(p, cont.HeaderBlockFragment()...)
		ended = cont.HeadersEnded()
	}
	var words []string
	fields, err := c.dec.DecodeFull(p)
	must(c.t, err)
	for _, f := range fields {
		switch {
		case f.Name == "date":
		case len(f.Value) > 40:
			words = append(words, fmt.Sprintf("%s=%d bytes", f.Name, len(f.Value)))
		default:
			words = append(words, f.Name+"="+f.Value)
		}
	}
	return strings.Join(words, " ")
}

// want checks what the server has sent.
func (c *client) want(want ...string) {
	c.t.Helper()
	if got := c.frames(); strings.Join(got, "\n") != strings.Join(want, "\n") {
		c.t.Errorf("the server sent\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
	}
}

// wantEnd checks that the connection has ended with code.
func (c *client) wantEnd(code xhttp2.ErrCode) {
	c.t.Helper()
	got := c.frames()
	if len(got) == 0 || !strings.HasPrefix(got[len(got)-1], "GOAWAY ") || !strings.HasSuffix(got[len(got)-1], ": "+code.String()) {
		c.t.Errorf("the server sent %q, want GOAWAY with %v at last", tail(got), code)
	}
	if !c.conn.closed {
		c.t.Error("the connection is not closed")
	}
	if n := len(c.session().streams.Open); n != 0 {
		c.t.Errorf("%d streams are left", n)
	}
}

func tail(words []string) []string { return words[max(0, len(words)-5):] }

func (c *client) session() *session { return c.conn.session.(*session) }

// hello answers every request in the same way.
var hello = asteri.HandlerFunc(func(x asteri.Exchange) {
	_ = x.Respond(200, nil, []byte("hello"))
})

var errTest = errors.New("test")
