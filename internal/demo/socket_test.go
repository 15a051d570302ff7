package demo

import (
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/ws"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func TestSocketEchoes(t *testing.T) {
	eachModel(t, func(t *testing.T, e *exchangetest.Executor, h asteri.Handler) {
		x := request(t, e, "GET", "/ws")
		for name, value := range map[string]string{
			"Upgrade": "websocket", "Connection": "keep-alive, Upgrade",
			"Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version": "13",
		} {
			x.Request().Header.Add(name, value)
		}
		x.Serve(h)
		key := [4]byte{1, 2, 3, 4}
		x.Send(ws.AppendMasked(nil, ws.Text, true, false, key, []byte("hi")))
		x.Send(ws.AppendMasked(nil, ws.Binary, true, false, key, []byte("ho")))
		x.Send(ws.AppendMasked(nil, ws.Close, true, false, key, nil))
		got := x.Wait()
		if want := "\x81\x02hi\x82\x02ho\x88\x00"; got.Status != 101 || string(got.Body) != want {
			t.Errorf("got %d %q, want %q", got.Status, got.Body, want)
		}
		if again := request(t, e, "GET", "/plaintext").Answer(h); again.Status != 200 {
			t.Errorf("afterwards: %d", again.Status) // a socket holds no worker
		}
	})
}
