package http3_test

import (
	"context"
	"io"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
)

// FuzzStream sends anything on a request stream, or a unidirectional one. It has to
// come to an end, and whatever happens to its connection, others are served.
func FuzzStream(f *testing.F) {
	f.Add(false, request("GET", "/"), true)
	f.Add(false, join(request("POST", "/", "content-length", "2"), frame(0, 'a', 'b'), headers("a", "b")), true)
	f.Add(false, join(frame(0x21), request("POST", "/"), frame(0, 'a')), false)
	f.Add(true, join(settings, frame(0x7, 0), frame(0xf0700, 0, 'u', '=', '1')), false)
	f.Add(true, []byte{2, 0x20}, false)
	f.Add(true, []byte{3, 0x40}, true)
	s := serve(f, serveEcho)
	f.Fuzz(func(t *testing.T, oneWay bool, b []byte, end bool) {
		ctx, cancel := context.WithTimeout(context.Background(), patience)
		defer cancel()
		c, err := quic.DialAddr(ctx, s.http.Addr().String(), clientTLS(), nil)
		must(t, err)
		defer func() { _ = c.CloseWithError(h3No, "") }()
		if oneWay {
			str, err := c.OpenUniStream()
			must(t, err)
			_, _ = str.Write(b)
			if end {
				_ = str.Close()
			}
		} else {
			str, err := c.OpenStream()
			must(t, err)
			_, _ = str.Write(b)
			if end {
				_ = str.Close()
			} else {
				_ = str.SetDeadline(time.Now().Add(time.Millisecond))
			}
			if _, err := io.Copy(io.Discard, str); err != nil && ctx.Err() != nil {
				t.Error("the stream does not come to its end")
			}
			str.CancelRead(h3Cancelled)
			str.CancelWrite(h3Cancelled)
		}
		other, err := quic.DialAddr(ctx, s.http.Addr().String(), clientTLS(), nil)
		must(t, err)
		wantServedBy(t, other, "POST")
		_ = other.CloseWithError(h3No, "")
	})
}
