package demo

import (
	"crypto/sha256"
	_ "embed"
	"encoding/base64"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/websocket"
)

// echoSocket sends each message back. It does not read from a peer that does not
// read.
type echoSocket struct{}

func (echoSocket) OnMessage(c *websocket.Conn, kind websocket.Kind, p []byte) {
	queued, err := c.Write(kind, p)
	if err == nil && queued >= asteri.HighWater {
		c.Pause()
		c.OnDrain(c.Resume)
	}
}

func (echoSocket) OnClose(*websocket.Conn, websocket.Closure) {}

//go:embed socket.html
var socketPage string

// newSocketPage makes the page from which a browser can try /ws. Its script is the
// only one that may run.
func newSocketPage() *reply {
	_, rest, _ := strings.Cut(socketPage, "<script>")
	script, _, _ := strings.Cut(rest, "</script>")
	sum := sha256.Sum256([]byte(script))
	policy := pagePolicy + "; connect-src 'self'; script-src 'sha256-" + base64.StdEncoding.EncodeToString(sum[:]) + "'"
	return newReply(200, socketPage, "Content-Type", "text/html; charset=utf-8", "Content-Security-Policy", policy)
}
