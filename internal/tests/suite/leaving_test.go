//go:build linux

package suite

import (
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// What the clients of TestClientsThatLeave send, one at a time.
const (
	leavers     = 6  // clients that leave
	leaveBursts = 60 // how many bursts each
	stayers     = 4  // clients that take their answers, until the others are done
	leaveWithin = 4 * time.Millisecond
	leavingBody = 300 << 10 // beyond what travels with its request
	leaveAtOnce = 8
)

// TestClientsThatLeave: whenever a client leaves, before its request is read, while it
// waits in a worker's link, runs, or is answered, it costs no worker its life, and no other
// client its answer.
func TestClientsThatLeave(t *testing.T) {
	for _, test := range []struct {
		app, model string
		more       []string
	}{
		{"leaving:wsgi", "sync:3", nil},
		{"leaving:wsgi", "gthread:3", []string{"--threads", "2"}},
		{"leaving:wsgi", "gevent:3", []string{"--worker-connections", "2"}},
		{"leaving:wsgi", "asgi:3", []string{"--threads", "2"}},
		{"leaving:wsgi", "tornado:3", nil},
		{"leaving:wsgi", "gtornado:3", []string{"--worker-connections", "2"}},
		{"leaving:asgi", "asgi:3", []string{"--worker-connections", "2"}},
		{"leaving:native()", "tornado:3", []string{"--worker-connections", "2"}},
		{"leaving:native()", "gtornado:3", []string{"--worker-connections", "2"}},
	} {
		t.Run(test.app+" "+test.model, func(t *testing.T) {
			s := start(t, app(test.app, test.model, test.more...)...)
			before := s.workers()
			var leaving, staying sync.WaitGroup
			over := make(chan struct{})
			for i := range leavers {
				leaving.Go(func() { s.leave(t, rand.New(rand.NewPCG(uint64(i), 1))) })
			}
			for range stayers {
				staying.Go(func() { s.stay(t, over) })
			}
			leaving.Wait()
			close(over)
			staying.Wait()
			s.stay(t, over)
			equal(t, "the workers", fmt.Sprint(s.workers()), fmt.Sprint(before))
			for _, sign := range []string{"worker killed", "worker died", "sent what it may not", "Traceback"} {
				if strings.Contains(s.log.text(), sign) {
					t.Errorf("the log holds %q", sign)
				}
			}
		})
	}
}

// leave sends requests, a burst at a time, and leaves by resets after a time that chance
// decides.
func (s *server) leave(t *testing.T, chance *rand.Rand) {
	for range leaveBursts {
		var burst []*net.TCPConn
		for range 1 + chance.IntN(leaveAtOnce) {
			c, err := net.DialTimeout("tcp", s.addr, patience)
			if err != nil {
				t.Error(err)
				return
			}
			_ = c.SetDeadline(time.Now().Add(patience))
			askAndLeave(c.(*net.TCPConn), chance)
			burst = append(burst, c.(*net.TCPConn))
		}
		for _, c := range burst {
			time.Sleep(time.Duration(chance.Int64N(int64(leaveWithin)))) // when to leave, not what to wait for
			_ = c.SetLinger(0)
			_ = c.Close()
		}
	}
}

// askAndLeave sends a request of some kind. The front may have closed its end.
func askAndLeave(c *net.TCPConn, chance *rand.Rand) {
	path := []string{"/quick", "/quick", "/quick", "/quick", "/quick", "/quick", "/late", "/busy", "/pieces", "/large"}[chance.IntN(10)]
	switch chance.IntN(16) {
	case 0: // a body that waits in a file, or is streamed
		fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n", path, leavingBody)
		_, _ = c.Write(make([]byte, leavingBody))
	case 1: // it closes its sending side first, which is a softer way to go
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
		_ = c.CloseWrite()
	case 2: // an upgrade, for which a socket is lent or a WebSocket made
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"+
			"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n\x81\x85\x00\x00\x00\x00hello", path)
	default:
		fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path)
	}
}

// stay sends requests and wants what they ask for, until the others have left, and one
// of each kind in any case.
func (s *server) stay(t *testing.T, over <-chan struct{}) {
	c := s.over(t, "http")
	for n := 0; ; n++ {
		for _, path := range []string{"/quick", "/late", "/quick", "/quick", "/busy", "/quick", "/pieces", "/large"} {
			word := fmt.Sprint(n, path)
			word = strings.ReplaceAll(word, "/", "-")
			want := fmt.Sprintf("%s %s 4", path, word)
			request := c.request("POST", path+"?"+word, strings.NewReader("body"))
			if path == "/pieces" || path == "/large" {
				want = strings.Repeat("0123456789abcdef", 40*1024)
			}
			a, err := c.try(request)
			switch {
			case err != nil:
				t.Errorf("%s: %v", path, err)
			case a.StatusCode != http.StatusOK:
				t.Errorf("%s: %s", path, a.Status)
			case a.body != want:
				t.Errorf("%s: a body of %d bytes, %.60q; want %.60q", path, len(a.body), a.body, want)
			}
		}
		select {
		case <-over:
			return
		default:
		}
	}
}
