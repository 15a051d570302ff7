package http2

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
