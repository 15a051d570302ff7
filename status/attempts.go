package status

import (
	"crypto/sha256"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"

	"github.com/asteri/asteri-loop/internal/edge/local"
)

// A token, or a cookie made of one, may be guessed at so often: some times at once,
// then once in a while, by one client and by all together.
const (
	guessBurst, guessEvery       = 10, 6 * time.Second
	allGuessBurst, allGuessEvery = 100, time.Second
	// maxGuessers bounds the clients that are remembered.
	maxGuessers = 4096
	// guessWarning is how often the log is told.
	guessWarning = time.Minute
)

// attempts counts what was shown in vain. Its methods may be called from all loops.
type attempts struct {
	mu     sync.Mutex
	start  time.Time
	all    allowance
	by     map[netip.Addr]*guesser
	warned time.Duration // when the log was told last; 0 for never
}

// guesser is a client that has shown something.
type guesser struct {
	allowance
	last  [sha256.Size]byte // what was wrong: to say it again is no guess
	known bool              // it has shown the token, so others' guesses do not concern it
}

// allowance is when all that was used of it will have come back.
type allowance time.Duration

func (a allowance) wait(now time.Duration, burst int, every time.Duration) time.Duration {
	return max(time.Duration(a)-now-time.Duration(burst-1)*every, 0)
}

func (a *allowance) use(now, every time.Duration) {
	*a = allowance(max(time.Duration(*a), now) + every)
}

// judge takes what a client has shown, and whether it is right. Of one that has
// guessed too often nothing counts before wait has passed: it does not learn what is
// right.
func (a *attempts) judge(from netip.Addr, shown []byte, right bool) (ok bool, wait time.Duration) {
	if from.IsValid() {
		from = addrset.Client(from)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Since(a.start)
	g := a.by[from]
	if g == nil {
		g = new(guesser)
	}
	wait = g.wait(now, guessBurst, guessEvery)
	if !g.known {
		wait = max(wait, a.all.wait(now, allGuessBurst, allGuessEvery))
	}
	switch {
	case wait > 0:
		return false, wait
	case right:
		if !g.known {
			g.known = true
			a.remember(from, g)
		}
		return true, 0
	}
	if sum := sha256.Sum256(shown); sum != g.last {
		g.last = sum
		g.use(now, guessEvery)
		a.all.use(now, allGuessEvery)
		a.remember(from, g)
	}
	return false, 0
}

// remember keeps g, if need be in place of any other.
func (a *attempts) remember(from netip.Addr, g *guesser) {
	if a.by == nil {
		a.by = make(map[netip.Addr]*guesser)
	}
	if a.by[from] == nil && len(a.by) >= maxGuessers {
		for other, o := range a.by {
			if !o.known || len(a.by) > maxGuessers/2 {
				delete(a.by, other)
				break
			}
		}
	}
	a.by[from] = g
}

// warns tells whether the log is to be told now.
func (a *attempts) warns() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := time.Since(a.start)
	if a.warned != 0 && now-a.warned < guessWarning {
		return false
	}
	a.warned = now
	return true
}

// shows tells whether what a client has shown counts.
func (s *Monitor) shows(v *visit, shown []byte, right bool) bool {
	ok, wait := s.attempts.judge(v.r.Peer.Remote.Addr(), shown, right)
	v.wait = max(v.wait, wait)
	if wait > 0 && s.attempts.warns() {
		s.opts.Logger.Warn("Attempts at the status token are refused for now", "client", v.r.Peer.Remote)
	}
	return ok
}

// tooOften answers who has guessed too often.
func (v *visit) tooOften() {
	v.r.Handling.App = OwnApp
	h := local.Head(plainText)
	h.AddInt("Retry-After", int64((v.wait+time.Second-1)/time.Second))
	send(v, http.StatusTooManyRequests, h, "too many attempts\n")
}
