package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop/internal/protocol/ws"
)

// tally is what a client has seen.
type tally struct {
	name                          string
	answered, failed, resets, cut int
	fell                          []string // counters that have fallen; nil if none were looked at
	why                           []string // the first failures
}

// patience is how long a client waits for anything.
const patience = 30 * time.Second

func (t *tally) run(ctx context.Context, addr string) {
	switch t.name {
	case "h1":
		t.strict(ctx, addr)
	case "websocket":
		t.sockets(ctx, addr)
	case "metrics":
		t.scrape(ctx, addr)
	default:
		t.client(ctx, addr)
	}
}

func (t *tally) fail(ctx context.Context, err error) {
	if ctx.Err() != nil {
		return // its time is over
	}
	t.failed++
	if errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE) {
		t.resets++
	}
	if len(t.why) < 5 {
		t.why = append(t.why, fmt.Sprintf("after %d: %v", t.answered, err))
	}
	time.Sleep(10 * time.Millisecond) // a server that is not there is not asked without end
}

// once asks a server by HTTP/1.1 on a new connection.
func (t *tally) once(addr string) error {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return err
	}
	defer c.Close()
	_, err = ask(c, bufio.NewReader(c))
	return err
}

// ask sends a GET, and tells whether the server ends the connection behind its answer.
func ask(c net.Conn, r *bufio.Reader) (last bool, err error) {
	_ = c.SetDeadline(time.Now().Add(patience))
	if _, err := io.WriteString(c, "GET / HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		return false, err
	}
	response, err := http.ReadResponse(r, nil)
	if err != nil {
		return false, err
	}
	defer response.Body.Close()
	if _, err := io.Copy(io.Discard, response.Body); err != nil {
		return false, err
	}
	if response.StatusCode != http.StatusOK {
		return false, errors.New(response.Status)
	}
	return response.Close, nil
}

// strict asks by HTTP/1.1 over connections that stay, and tries nothing again.
func (t *tally) strict(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		c, err := net.DialTimeout("tcp", addr, patience)
		if err != nil {
			t.fail(ctx, err)
			continue
		}
		r := bufio.NewReader(c)
		for last := false; !last && ctx.Err() == nil; {
			if last, err = ask(c, r); err != nil {
				t.fail(ctx, err)
				break
			}
			t.answered++
		}
		_ = c.Close() // all is read
	}
}

// client asks as programs do: the transport tries again what a server has said it has not
// begun with.
func (t *tally) client(ctx context.Context, addr string) {
	var transport http.RoundTripper
	insecure := &tls.Config{InsecureSkipVerify: true} // the server has made its certificate itself
	if t.name == "h3" {
		h3 := &http3.Transport{TLSClientConfig: insecure}
		defer h3.Close()
		transport = h3
	} else {
		var p http.Protocols
		p.SetHTTP1(t.name == "https")
		p.SetHTTP2(t.name == "h2")
		h := &http.Transport{TLSClientConfig: insecure, Protocols: &p}
		defer h.CloseIdleConnections()
		transport = h
	}
	c := &http.Client{Transport: transport, Timeout: patience}
	for ctx.Err() == nil {
		if _, err := fetch(ctx, c, "https://"+addr+"/"); err != nil {
			t.fail(ctx, err)
			continue
		}
		t.answered++
	}
}

func fetch(ctx context.Context, c *http.Client, url string) ([]byte, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	response, err := c.Do(r)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return body, err
}

// sockets has messages echoed, and opens another WebSocket when one ends: well with a
// Close, or cut.
func (t *tally) sockets(ctx context.Context, addr string) {
	for ctx.Err() == nil {
		opened, closed := t.socket(ctx, addr)
		if ctx.Err() != nil {
			return
		}
		switch {
		case !opened:
			t.fail(ctx, errors.New("the WebSocket cannot be opened"))
		case !closed:
			t.cut++
		}
	}
}

func (t *tally) socket(ctx context.Context, addr string) (opened, closed bool) {
	c, err := net.DialTimeout("tcp", addr, patience)
	if err != nil {
		return false, false
	}
	defer c.Close()
	_ = c.SetDeadline(time.Now().Add(patience))
	_, _ = fmt.Fprintf(c, "GET / HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n")
	r := bufio.NewReader(c)
	response, err := http.ReadResponse(r, nil) //nolint:bodyclose // it is the rest of the connection
	if err != nil || response.StatusCode != http.StatusSwitchingProtocols {
		return false, false
	}
	for ctx.Err() == nil {
		_ = c.SetDeadline(time.Now().Add(patience))
		if _, err := c.Write(ws.AppendMasked(nil, ws.Text, true, false, [4]byte{1, 2, 3, 4}, []byte("hello"))); err != nil {
			return true, false
		}
		for op := ws.Ping; op != ws.Text; {
			if op, err = readFrame(r); err != nil {
				return true, false
			}
			if op == ws.Close {
				return true, true
			}
		}
		t.answered++
	}
	return true, true
}

// readFrame reads a short frame of a server.
func readFrame(r *bufio.Reader) (ws.Opcode, error) {
	head := make([]byte, 2)
	if _, err := io.ReadFull(r, head); err != nil {
		return 0, err
	}
	_, err := io.CopyN(io.Discard, r, int64(head[1]&0x7f))
	return ws.Opcode(head[0] & 0xf), err
}

// scrape looks whether a counter falls.
func (t *tally) scrape(ctx context.Context, addr string) {
	t.fell = []string{}
	seen := make(map[string]float64)
	c := &http.Client{Timeout: patience}
	for ctx.Err() == nil {
		text, err := fetch(ctx, c, "http://"+addr+"/metrics")
		if err != nil {
			t.fail(ctx, err)
			continue
		}
		t.answered++
		for name, n := range counters(text) {
			if n < seen[name] {
				t.fell = append(t.fell, name)
			}
			seen[name] = n
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// counters are those of the server; what Go's collectors and workers say is of one process.
func counters(text []byte) map[string]float64 {
	found := make(map[string]float64)
	counter := false
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) == 4 && words[1] == "TYPE" {
			counter = words[3] == "counter" && !strings.HasPrefix(words[2], "go_") && !strings.HasPrefix(words[2], "process_")
		}
		if !counter || words[0] == "#" || strings.Contains(string(line), `pid="`) {
			continue
		}
		if n, err := strconv.ParseFloat(words[len(words)-1], 64); err == nil {
			found[strings.Join(words[:len(words)-1], " ")] = n
		}
	}
	return found
}

// counters is the last column.
func (t *tally) counters() string {
	if t.fell == nil {
		return ""
	}
	return strconv.Itoa(len(t.fell))
}
