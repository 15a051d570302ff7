package http2

import (
	"bytes"
	"encoding/binary"
	"io"
	"slices"
	"strings"
	"testing"

	xhttp2 "golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/asteri/asteri-loop"
)

// busy is a handler that does much of what handlers do, by the request's path.
type busy struct {
	kept []asteri.Exchange
}

func (h *busy) ServeExchange(x asteri.Exchange) {
	switch path := string(x.Request().Path); path {
	case "/":
		_ = x.Respond(200, nil, []byte("hello"))
	case "/large":
		_ = x.Respond(200, nil, make([]byte, 300_000))
	case "/echo":
		_ = x.Start(200, nil)
		x.ReadBody(&echo{x: x})
	case "/panic":
		panic(errTest)
	case "/tunnel":
		if t, err := x.Upgrade(fields("Upgrade", x.Request().Protocol)); err == nil {
			t.Read(&echo{x: t})
			return
		}
		x.Abort(errTest)
	default:
		x.OnCancel(func(error) {})
		h.kept = append(h.kept, x)
	}
}

// echo sends back what comes.
type echo struct {
	x interface {
		Write(p []byte) (int, error)
		Consumed(n int)
		Abort(error)
	}
}

func (e *echo) OnBody(p []byte) {
	_, _ = e.x.Write(p)
	e.x.Consumed(len(p))
}

func (e *echo) OnEnd(trailer *asteri.Header) {
	switch x := e.x.(type) {
	case asteri.Exchange:
		_ = x.Finish(trailer)
	case asteri.Tunnel:
		x.Close()
	}
}

func (e *echo) OnError(err error) { e.x.Abort(err) }

// step makes one frame, or another event, of the next bytes of a fuzzer's input.
func (c *client) step(in []byte, h *busy) (rest []byte) {
	if len(in) < 4 {
		return nil
	}
	op, flags, id, n := in[0], xhttp2.Flags(in[1]), uint32(in[2]), int(in[3])
	in = in[4:]
	n = min(n, len(in))
	p := in[:n]
	paths := []string{"/", "/large", "/echo", "/panic", "/tunnel", "/kept"}
	switch op % 16 {
	case 0:
		method := []string{"GET", "POST", "CONNECT"}[op/16%3]
		head := request(method, paths[int(flags>>3)%len(paths)], "a", string(p))
		if method == "CONNECT" {
			head = append([]string{":protocol", "x"}, head...)
		}
		c.headers(id|1, flags&1 != 0, head...)
	case 1:
		_ = c.WriteData(id, flags&1 != 0, bytes.Repeat(p, 60))
	case 2:
		var v uint32
		if n >= 4 {
			v = binary.BigEndian.Uint32(p)
		}
		_ = c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingID(flags), Val: v})
	case 3:
		_ = c.WriteWindowUpdate(id, uint32(flags)<<(op/16))
	case 4:
		_ = c.WriteRSTStream(id, xhttp2.ErrCode(flags))
	case 5:
		_ = c.WritePriorityUpdate(id, string(p))
	case 6:
		if len(h.kept) > 0 {
			h.kept[int(id)%len(h.kept)].Abort(errTest)
		}
	case 7:
		if len(h.kept) > 0 {
			x := h.kept[int(id)%len(h.kept)]
			_ = x.Start(200, nil)
			_, _ = x.Write(make([]byte, int(flags)*1000))
			x.ReadBody(new(bodyLog))
			x.Consumed(0)
			if flags&1 != 0 {
				_ = x.Finish(fields("t", "1"))
			}
			if flags&2 != 0 && x.(asteri.Releaser).Release() {
				h.kept = slices.DeleteFunc(h.kept, func(y asteri.Exchange) bool { return x == y })
			}
		}
	case 8:
		c.conn.held = flags&1 != 0
	case 9:
		c.send()
		if flags&1 != 0 {
			c.conn.session.OnShutdown()
		}
	case 10:
		c.send()
		c.conn.expire(c.home, mainTimer)
	case 11:
		c.headers(id, true, "t", string(p))
	default:
		_ = c.WriteRawFrame(xhttp2.FrameType(op/16), flags, id, p)
	}
	return in[n:]
}

// FuzzSession: whatever a client sends, in whatever pieces, the session sends frames
// that can be read, and keeps no more than its bounds.
func FuzzSession(f *testing.F) {
	f.Add([]byte("\x00\x01\x01\x00\x00\x00\x03\x03abc\x01\x01\x03\x05hello"), uint8(3))
	f.Add([]byte("\x00\x10\x01\x00\x01\x00\x01\x05hello\x0b\x01\x01\x01t\x00\x09\x03\x00"), uint8(1))
	f.Add([]byte("\x20\x20\x01\x00\x01\x00\x01\x05hello\x09\x01\x00\x00\x04\x00\x01\x00"), uint8(9))
	f.Add([]byte("\x00\x09\x01\x00\x03\xff\x01\x00\x73\xff\x00\x00\x08\x01\x00\x00\x02\x04\x00\x04\x00\x01\x00\x00"), uint8(200))
	f.Add([]byte("\x00\x29\x01\x00\x07\x41\x00\x00\x06\x00\x00\x00\x0a\x00\x00\x00"), uint8(50))
	f.Fuzz(func(t *testing.T, in []byte, cut uint8) {
		h := new(busy)
		c := newClient(t, Config{MaxConcurrentStreams: 8}, h)
		for len(in) > 0 && c.conn.open() {
			in = c.step(in, h)
			p := append([]byte(nil), c.in.Bytes()...)
			c.in.Reset()
			for len(p) > 0 {
				n := min(1+int(cut), len(p))
				c.conn.feed(p[:n])
				p = p[n:]
			}
			c.settle()
			s := c.session()
			if len(s.streams.Open) > 8 {
				t.Fatalf("%d streams are open", len(s.streams.Open))
			}
			for _, st := range s.streams.Open {
				if st.state == streamClosed || st.recvWindow < 0 {
					t.Fatalf("stream %d: closed %v, window %d", st.id, st.state == streamClosed, st.recvWindow)
				}
			}
			if n := c.conn.Queued(); n > pauseMark+2*sendHigh {
				t.Fatalf("%d bytes are queued", n)
			}
		}
		c.conn.held = false
		c.frames()
		if c.conn.open() {
			c.conn.session.OnClose(errTest)
		}
		if n := len(c.session().streams.Open); n != 0 {
			t.Fatalf("%d streams are left", n)
		}
	})
}

// FuzzFrames: frames are cut here as golang.org/x/net's Framer cuts them.
func FuzzFrames(f *testing.F) {
	f.Add([]byte("\x00\x00\x05\x00\x09\x00\x00\x00\x01\x02abcd"))
	f.Add([]byte("\x00\x00\x00\x04\x01\x80\x00\x00\x00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		if len(in) < frameHeaderLen {
			return
		}
		h := parseFrameHeader(in)
		theirs, err := xhttp2.ReadFrameHeader(bytes.NewReader(in))
		if err != nil || h.length != int(theirs.Length) || uint8(h.kind) != uint8(theirs.Type) ||
			h.flags != uint8(theirs.Flags) || h.stream != theirs.StreamID {
			t.Fatalf("%+v here, %v, %v there", h, theirs, err)
		}
		if h.kind != frameData || len(in) < frameHeaderLen+h.length {
			return
		}
		ours, ourErr := h.unpad(in[frameHeaderLen:][:h.length])
		fr, err := xhttp2.NewFramer(io.Discard, bytes.NewReader(in)).ReadFrame()
		if h.stream == 0 {
			return // an error of another kind
		}
		if (err == nil) != (ourErr == nil) {
			t.Fatalf("%v here, %v there", ourErr, err)
		}
		if err == nil && !bytes.Equal(ours, fr.(*xhttp2.DataFrame).Data()) {
			t.Fatalf("%q here, %q there", ours, fr.(*xhttp2.DataFrame).Data())
		}
	})
}

// FuzzEncoder: what is encoded is decoded to the same by golang.org/x/net's decoder,
// whatever the size of the table.
func FuzzEncoder(f *testing.F) {
	f.Add([]byte("content-type\x00text/html\x00content-type\x00text/html\x00content-type\x00text/html"), uint16(4096), uint16(100))
	f.Add([]byte("set-cookie\x00a=b\x00set-cookie\x00a=b\x00:status\x00200\x00:status\x00418"), uint16(0), uint16(4096))
	f.Fuzz(func(t *testing.T, in []byte, first, second uint16) {
		var e encoder
		e.init()
		var got []hpack.HeaderField
		d := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { got = append(got, f) })
		parts := bytes.Split(in, []byte{0})
		for round := range 6 {
			switch round {
			case 2:
				e.setLimit(uint32(first))
				d.SetAllowedMaxDynamicTableSize(tableSize)
			case 4:
				e.setLimit(uint32(second))
				e.setLimit(uint32(first / 2))
				e.setLimit(uint32(second))
			}
			var section []asteri.Field
			for i := 0; i+1 < len(parts); i += 2 {
				// The only pseudo-header field of a response is its status.
				if len(parts[i]) > 0 && (parts[i][0] != ':' || string(parts[i]) == ":status") {
					section = append(section, asteri.Field{Name: parts[i], Value: parts[i+1]})
				}
			}
			got = got[:0]
			if _, err := d.Write(e.encode(nil, section)); err != nil {
				t.Fatal(err)
			}
			if err := d.Close(); err != nil {
				t.Fatal(err)
			}
			if len(got) != len(section) {
				t.Fatalf("%d fields came of %d", len(got), len(section))
			}
			for i, f := range section {
				if got[i].Name != string(f.Name) || got[i].Value != string(f.Value) {
					t.Fatalf("%q: %q came as %q: %q", f.Name, f.Value, got[i].Name, got[i].Value)
				}
			}
			if e.size > e.limit {
				t.Fatalf("the table holds %d bytes of %d", e.size, e.limit)
			}
		}
	})
}

// FuzzDecoder: what is decoded here is decoded to the same by golang.org/x/net, and
// what is refused here is refused there. Of two sections the second one shows
// whether the tables are the same.
//
// Two differences are known and allowed for: where changes of the table's size may
// stand, and integers of more than 32 bits.
func FuzzDecoder(f *testing.F) {
	var e encoder
	e.init()
	for range 3 {
		f.Add(e.encode(nil, fields(":status", "404", "a", "b", "set-cookie", "x", "etag", "12345678901234567890").Fields()), []byte("\xbe\x82"))
	}
	f.Add([]byte("\x3f\xe1\x1f\x40\x01a\x01b\x7e\x01c\xbe\xbf"), []byte("\xbe\xbf\xc0"))
	f.Add([]byte("\x20\x3f\x01\x40\x01a\x01b"), []byte("\x82\x20"))
	f.Fuzz(func(t *testing.T, first, second []byte) {
		var d decoder
		d.init()
		var theirs []hpack.HeaderField
		x := hpack.NewDecoder(tableSize, func(f hpack.HeaderField) { theirs = append(theirs, f) })
		for _, p := range [][]byte{first, second} {
			theirs = nil
			var ours []headerField
			err := d.decode(p, func(name, value string) {
				ours = append(ours, headerField{strings.Clone(name), strings.Clone(value)})
			})
			_, xerr := x.Write(p)
			if xerr == nil {
				xerr = x.Close()
			}
			if (err == nil) != (xerr == nil) {
				if resizesOrLarge(err) || resizesOrLarge(xerr) {
					return
				}
				t.Fatalf("%v here, %v there", err, xerr)
			}
			if err != nil {
				return
			}
			if len(ours) != len(theirs) {
				t.Fatalf("%q here, %q there", ours, theirs)
			}
			for i, f := range theirs {
				if ours[i].name != f.Name || ours[i].value != f.Value {
					t.Fatalf("%q here, %q there", ours, theirs)
				}
			}
			if d.size > d.limit {
				t.Fatalf("the table holds %d bytes of %d", d.size, d.limit)
			}
		}
	})
}

func resizesOrLarge(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "size") || strings.Contains(err.Error(), "integer"))
}
