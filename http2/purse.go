package http2

import "github.com/asteri/asteri-loop/internal/purse"

// idlePurse is for frames other than requests and content. Some of them are an
// honest client's: windows that it opens, a PING to measure the round trip. What
// it does is in proportion to the content, which pays for it.
var idlePurse = purse.Size{Full: 4096, Rate: 256}

// What frames cost and earn.
const (
	settingsCost     = 16
	continuationCost = 8
	dribbleCost      = 8
	earnedByData     = 4
	earnedByRequest  = 4

	// dribble is the size below which a DATA frame is not worth sending while
	// there is more, and earns nothing.
	dribble = 64
)

// pay has the client pay for a frame that asks for nothing.
func (s *session) pay(n float64, reason string) error {
	if s.idle.Pay(n, s.at.Home.Now()) {
		return nil
	}
	return errCalm(reason)
}

// goneStreams remembers the last streams that are gone, and how they ended: what a
// client may still send on them depends on it.
type goneStreams struct {
	ids  [32]uint32 // with a bit above those of a number: reset by us
	next uint8
}

type goneHow uint8

const (
	goneUnknown  goneHow = iota
	goneByClient         // it knows: it ended the stream, or reset it
	goneByUs             // it has perhaps not heard
)

func (g *goneStreams) add(id uint32, ours bool) {
	if ours {
		id |= 1 << 31
	}
	g.ids[g.next] = id
	g.next = (g.next + 1) % uint8(len(g.ids))
}

func (g *goneStreams) how(id uint32) goneHow {
	for _, v := range g.ids {
		switch v {
		case id:
			return goneByClient
		case id | 1<<31:
			return goneByUs
		}
	}
	return goneUnknown
}
