package http3_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/quic-go/qpack"
	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/quicvarint"
)

// Frames and streams as a client writes them that keeps to no rule.
func frame(kind uint64, payload ...byte) []byte {
	b := quicvarint.Append(nil, kind)
	b = quicvarint.Append(b, uint64(len(payload)))
	return append(b, payload...)
}

func section(fields ...string) []byte {
	var b bytes.Buffer
	enc := qpack.NewEncoder(&b)
	for i := 0; i < len(fields); i += 2 {
		_ = enc.WriteField(qpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return b.Bytes()
}

func headers(fields ...string) []byte { return frame(0x1, section(fields...)...) }

// request returns HEADERS with usual pseudo-header fields, and more.
func request(method, path string, more ...string) []byte {
	return headers(append([]string{":method", method, ":scheme", "https", ":authority", "localhost", ":path", path}, more...)...)
}

func join(parts ...[]byte) []byte { return bytes.Join(parts, nil) }

func varint(n uint64) []byte { return quicvarint.Append(nil, n) }

// settings is what a client's control stream begins with.
var settings = join(varint(0), frame(0x4))

// uni opens a unidirectional stream that begins with b.
func uni(t testing.TB, c *quic.Conn, b []byte) *quic.SendStream {
	t.Helper()
	str, err := c.OpenUniStream()
	must(t, err)
	give(t, str, b, false)
	return str
}

// ask opens a request stream with b, and ends it if end.
func ask(t testing.TB, c *quic.Conn, b []byte, end bool) *quic.Stream {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	str, err := c.OpenStreamSync(ctx)
	must(t, err)
	must(t, str.SetDeadline(time.Now().Add(patience)))
	give(t, str, b, end)
	return str
}

// sending is the client's side of a stream.
type sending interface {
	io.WriteCloser
	Context() context.Context
}

// give writes b on a stream, and ends it if end. The server judges what has come and
// need not wait for the rest: a stream that it has reset, or a connection that it has
// closed, is not the client's failure. The caller reads what the server said.
func give(t testing.TB, str sending, b []byte, end bool) {
	t.Helper()
	var err error
	if len(b) > 0 {
		_, err = str.Write(b)
	}
	if err == nil && end {
		err = str.Close() // whose error has no type: the stream's context knows why
	}
	if err != nil && !endedByServer(err) && !endedByServer(context.Cause(str.Context())) {
		t.Fatal(err)
	}
}

func endedByServer(err error) bool {
	var stream *quic.StreamError
	var conn *quic.ApplicationError
	return errors.As(err, &stream) && stream.Remote || errors.As(err, &conn) && conn.Remote
}

// response is what a stream brought.
type response struct {
	heads   [][]qpack.HeaderField
	content []byte
}

func (r *response) status() string {
	if len(r.heads) == 0 || len(r.heads[0]) == 0 {
		return ""
	}
	return r.heads[0][0].Value // it comes first
}

// get returns a field of the last header section.
func (r *response) get(name string) string {
	for _, f := range r.heads[len(r.heads)-1] {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// receive reads a stream to its end.
func receive(t testing.TB, str io.Reader) *response {
	t.Helper()
	b, err := io.ReadAll(str)
	if err != nil {
		t.Fatalf("the response ends with %v behind %q", err, b)
	}
	r := new(response)
	for len(b) > 0 {
		kind, n, err := quicvarint.Parse(b)
		must(t, err)
		length, m, err := quicvarint.Parse(b[n:])
		must(t, err)
		payload := b[n+m:][:length]
		b = b[n+m+int(length):]
		switch kind {
		case 0x0:
			r.content = append(r.content, payload...)
		case 0x1:
			var head []qpack.HeaderField
			next := qpack.NewDecoder().Decode(payload)
			for {
				f, err := next()
				if err == io.EOF {
					break
				}
				must(t, err)
				head = append(head, f)
			}
			r.heads = append(r.heads, head)
		default:
			t.Errorf("frame of type %#x", kind)
		}
	}
	return r
}

// wantServed checks that a connection is well.
func wantServed(t testing.TB, c *quic.Conn) {
	t.Helper()
	if r := receive(t, ask(t, c, request("GET", "/ok"), true)); r.status() != "200" {
		t.Errorf("status %s", r.status())
	}
}
