//go:build asteridebug

package contract

import (
	"bytes"
	"testing"

	"github.com/asteri/asteri-loop"
)

// A debug build finds calls of goroutines that do not own the exchange.
func TestForeignGoroutinesAreFound(t *testing.T) {
	found := make(chan any, 1)
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			go func() {
				defer func() {
					found <- recover()
					x.Post(func() { ok(x) })
				}()
				_ = x.Respond(200, nil, nil)
			}()
		})
	}, func(t *testing.T, s *server) {
		s.want(s.client(), "/", nil, answer{200, "ok"})
		if v := receive(t, "the call returns", found); v == nil {
			t.Error("the call was let through")
		}
	})
}

// A debug build destroys what handlers keep that they may not.
func TestKeptSlicesAreDestroyed(t *testing.T) {
	var path, content []byte // the loop's
	overAll(t, func(*testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			switch string(x.Request().Path) {
			case "/keep":
				path = x.Request().Path
				ok(x)
			case "/content":
				x.ReadBody(bodySink{
					body: func(p []byte) { content = p; x.Consumed(len(p)) },
					end:  func() { ok(x) },
				})
			default:
				_ = x.Respond(200, nil, []byte{boolByte(bytes.Equal(path, []byte("/keep"))), boolByte(bytes.Equal(path, []byte("/next"))), boolByte(bytes.Equal(content, []byte("content")))})
			}
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/content", []byte("content"), answer{200, "ok"})
		s.want(c, "/keep", nil, answer{200, "ok"})
		s.want(c, "/next", nil, answer{200, "nnn"})
	})
}

func boolByte(is bool) byte {
	if is {
		return 'y'
	}
	return 'n'
}
