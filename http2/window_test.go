package http2

import (
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

const roundTrip = 100 * time.Millisecond

// far is a client whose round trip takes so long, and has been measured.
func far(t *testing.T, cfg Config, k *keeper) *client {
	t.Helper()
	c := newRawClient(t, cfg, k, asteri.WithServer(""))
	c.in.WriteString(preface)
	must(t, c.WriteSettings())
	c.send()
	c.home.time = c.home.time.Add(roundTrip)
	must(t, c.WriteSettingsAck())
	c.send()
	c.frames()
	return c
}

func (c *client) upload(k *keeper, id uint32) *bodyLog {
	c.t.Helper()
	c.headers(id, false, ":method", "POST", ":scheme", "http", ":path", "/", ":authority", "a")
	c.send()
	body := new(bodyLog)
	k.last(c.t).ReadBody(body)
	c.settle()
	return body
}

// rounds sends on a stream as much as its window allows, has all of it consumed and
// lets a while pass, time and again. It returns what was sent in each round.
func (c *client) rounds(k *keeper, id uint32, window, n int, while time.Duration) (sent []int) {
	c.t.Helper()
	for range n {
		sent = append(sent, window)
		for window > 0 {
			piece := min(window, 16<<10)
			window -= piece
			must(c.t, c.WriteData(id, false, make([]byte, piece)))
			c.send()
			k.last(c.t).Consumed(piece)
			c.settle()
		}
		c.home.time = c.home.time.Add(while)
		for _, f := range c.frames() {
			var of uint32
			var by int
			if _, err := fmt.Sscanf(f, "WINDOW_UPDATE %d: %d", &of, &by); err == nil && of == id {
				window += by
			}
		}
	}
	return sent
}

// A client that fills its window in every round trip gets a larger one, up to that of
// the connection, if its handler keeps up.
func TestWindowGrows(t *testing.T) {
	const most = 512 << 10
	k := new(keeper)
	c := far(t, Config{ConnectionWindow: most}, k)
	c.upload(k, 1)
	sent := c.rounds(k, 1, defaultWindow, 8, roundTrip)
	streams := c.conn.session.(*session).streams.Open
	if slices.Max(sent) > most || slices.Max(sent) < most/2 || streams[1].window != most {
		t.Errorf("%v, the window is %d", sent, streams[1].window)
	}
	// All streams of a connection share what there is.
	other := c.upload(k, 3)
	if got := c.rounds(k, 3, defaultWindow, 4, roundTrip); slices.Max(got) > 2*defaultWindow || streams[3].window != 2*defaultWindow {
		t.Errorf("a second stream: %v, the window is %d", got, streams[3].window)
	}
	if len(other.body) == 0 || len(other.errs) > 0 {
		t.Errorf("%d bytes, %v", len(other.body), other.errs)
	}
	// A stream that ends leaves its share to others.
	must(t, c.WriteRSTStream(1, 8))
	c.send()
	if c.rounds(k, 3, defaultWindow/2, 6, roundTrip); streams[3].window != most {
		t.Errorf("when it is alone the window is %d", streams[3].window)
	}
}

// It does not where that is of no use, or there is no memory.
func TestWindowStays(t *testing.T) {
	for name, test := range map[string]struct {
		while time.Duration
		tight bool
		known bool
	}{
		"a slow client or handler":  {while: 4 * roundTrip, known: true},
		"memory is tight":           {while: roundTrip, tight: true, known: true},
		"round trip is not known":   {while: roundTrip},
		"slow client, tight memory": {while: time.Second, tight: true, known: true},
	} {
		t.Run(name, func(t *testing.T) {
			k := new(keeper)
			c := far(t, Config{}, k)
			s := c.conn.session.(*session)
			s.at.tight = func() bool { return test.tight }
			if !test.known {
				s.rtt = 0
			}
			c.upload(k, 1)
			c.home.time = c.home.time.Add(test.while)
			s.streams.Open[1].windowSince = int64(awake.Of(c.home.time.Add(-test.while)))
			for i := range 6 {
				must(t, c.WriteData(1, false, make([]byte, 16<<10)))
				must(t, c.WriteData(1, false, make([]byte, 16<<10)))
				c.send()
				k.last(t).Consumed(32 << 10)
				c.settle()
				c.home.time = c.home.time.Add(test.while)
				if w := s.streams.Open[1].window; w != defaultWindow {
					t.Fatalf("round %d: %d", i, w)
				}
			}
			if s.grown != 0 {
				t.Errorf("%d bytes are counted", s.grown)
			}
		})
	}
}
