package python

import (
	"bufio"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strconv"
	"sync"
	"testing"
	"time"
)

// TestAnswersAreOnesOwn: exchanges and calls are used again, while clients come and
// leave in every way; each that stays gets the answer to its own request.
func TestAnswersAreOnesOwn(t *testing.T) {
	bothLoops(t, func(t *testing.T, loops int) {
		s := serveFake(t, loops, Config{Workers: 2, Threads: 4})
		var clients sync.WaitGroup
		for n := range 12 {
			clients.Go(func() {
				for round := range 12 {
					if err := s.visit(rand.New(rand.NewPCG(uint64(n), uint64(round))), fmt.Sprintf("%d-%d", n, round)); err != nil {
						t.Errorf("client %d, visit %d: %v", n, round, err)
					}
				}
			})
		}
		clients.Wait()
		eventually(t, "the workers have nothing left", func() bool { return s.inFlight() == 0 })
	})
}

// visit sends some requests on a connection, checks their answers, and leaves: in
// good order, or in the middle of a request.
func (s *server) visit(random *rand.Rand, name string) error {
	c, err := net.Dial("tcp", s.addr)
	if err != nil {
		return err
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(patience))
	in := bufio.NewReader(c)
	for i := range 1 + random.IntN(20) {
		want := name + "-" + strconv.Itoa(i)
		request := "GET /say?" + want + " HTTP/1.1\r\nHost: a\r\n\r\n"
		switch random.IntN(16) {
		case 0: // leaves while its request is on its way
			_, err := io.WriteString(c, request)
			if random.IntN(2) == 0 {
				c.(*net.TCPConn).SetLinger(0)
			}
			return err
		case 1: // leaves while its request runs
			_, err := io.WriteString(c, "GET /sleep?3 HTTP/1.1\r\nHost: a\r\n\r\n")
			return err
		case 2: // sends nothing more, and still reads
			if _, err := io.WriteString(c, request); err != nil {
				return err
			}
			c.(*net.TCPConn).CloseWrite()
			if err := expectBody(in, want, true); err != nil {
				return err
			}
			return nil
		case 3: // a body
			request = "POST /body HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\n\r\nabc"
			want = "inline 3 3"
		}
		if _, err := io.WriteString(c, request); err != nil {
			return err
		}
		if err := expectBody(in, want, false); err != nil {
			return err
		}
	}
	return nil
}

// expectBody reads a response. With refusable, 503 is an answer, too: who has closed
// its side while its request waited for a worker gets that.
func expectBody(in *bufio.Reader, want string, refusable bool) error {
	resp, err := http.ReadResponse(in, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case refusable && resp.StatusCode == http.StatusServiceUnavailable:
		return nil
	case resp.StatusCode != http.StatusOK || string(body) != want:
		return fmt.Errorf("got %d %q, want %q", resp.StatusCode, body, want)
	}
	return nil
}
