package loop

import (
	"net/netip"
	"runtime"
	"sync"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

// handshakes bounds unfinished handshakes in number, in all and for a client, and those
// that compute by the processors.
type handshakes struct {
	limit     int
	computing chan struct{}

	mu       sync.Mutex
	total    int
	byClient map[netip.Addr]int // as addrset.Client names them
}

func newHandshakes(limit int) *handshakes {
	return &handshakes{
		limit:     limit,
		computing: make(chan struct{}, runtime.GOMAXPROCS(0)),
		byClient:  make(map[netip.Addr]int),
	}
}

// begin counts a handshake of addr, unless there are too many. A client may have a quarter
// of them, but for those at a Unix socket, which nothing tells apart: they have no address.
func (h *handshakes) begin(addr netip.Addr) bool {
	client := addrset.Client(addr)
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.total >= h.limit || addr.IsValid() && h.byClient[client] >= max(h.limit/4, 1) {
		return false
	}
	h.total++
	h.byClient[client]++
	return true
}

func (h *handshakes) end(addr netip.Addr) {
	client := addrset.Client(addr)
	h.mu.Lock()
	defer h.mu.Unlock()
	h.total--
	if h.byClient[client]--; h.byClient[client] == 0 {
		delete(h.byClient, client)
	}
}

func (h *handshakes) count() int {
	h.mu.Lock()
	defer h.mu.Unlock()
	return h.total
}

func (h *handshakes) acquire() {
	jobs.Begin()
	h.computing <- struct{}{}
}

func (h *handshakes) release() {
	<-h.computing
	jobs.End()
}
