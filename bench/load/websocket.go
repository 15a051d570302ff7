package load

import (
	"bufio"
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 section 4.2.2 wants it
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Message is what a WebSocket load sends and wants back.
const Message = "Hello, World! 0123456789 abcdefg"

// Socket is a WebSocket that sends one fixed message and checks its echo. It
// knows no more of the protocol than that, so that it costs little.
type Socket struct {
	net.Conn
	in    *bufio.Reader
	sent  []byte // the frame, masked once and for all
	reply []byte
}

// DialSocket opens a WebSocket at an http or ws URL, without extensions.
func DialSocket(ctx context.Context, target string) (*Socket, error) {
	u, err := url.Parse(target)
	if err != nil {
		return nil, err
	}
	var d net.Dialer
	conn, err := d.DialContext(ctx, "tcp", u.Host)
	if err != nil {
		return nil, err
	}
	if deadline, ok := ctx.Deadline(); ok {
		_ = conn.SetDeadline(deadline)
	}
	s := &Socket{Conn: conn, in: bufio.NewReaderSize(conn, 512), sent: messageFrame(), reply: make([]byte, 2+len(Message))}
	if err := s.handshake(u); err != nil {
		_ = conn.Close()
		return nil, err
	}
	return s, conn.SetDeadline(time.Time{})
}

// messageFrame is Message as a client's text frame, RFC 6455 section 5.2.
func messageFrame() []byte {
	const final, text, masked = 0x80, 0x1, 0x80
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d}
	b := append([]byte{final | text, masked | byte(len(Message))}, key[:]...)
	for i := range len(Message) {
		b = append(b, Message[i]^key[i%4])
	}
	return b
}

func (s *Socket) handshake(u *url.URL) error {
	var nonce [16]byte
	_, _ = rand.Read(nonce[:])
	key := base64.StdEncoding.EncodeToString(nonce[:])
	if _, err := fmt.Fprintf(s, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: %s\r\n\r\n", u.RequestURI(), u.Host, key); err != nil {
		return err
	}
	resp, err := http.ReadResponse(s.in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close() // there is none
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	switch {
	case resp.StatusCode != http.StatusSwitchingProtocols || !strings.EqualFold(resp.Header.Get("Upgrade"), "websocket"):
		return fmt.Errorf("no WebSocket: %s", resp.Status)
	case resp.Header.Get("Sec-WebSocket-Accept") != base64.StdEncoding.EncodeToString(sum[:]):
		return errors.New("wrong Sec-WebSocket-Accept")
	}
	return nil
}

// Echo sends the message and waits for it to come back.
func (s *Socket) Echo() error {
	if _, err := s.Write(s.sent); err != nil {
		return err
	}
	if _, err := io.ReadFull(s.in, s.reply); err != nil {
		return err
	}
	if s.reply[0] != 0x81 || int(s.reply[1]) != len(Message) || string(s.reply[2:]) != Message {
		return fmt.Errorf("wrong echo: % x", s.reply)
	}
	return nil
}
