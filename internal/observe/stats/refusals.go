package stats

import (
	"errors"
	"maps"
	"sync"

	"github.com/asteri/asteri-loop"
)

// Refusal is an answer that the server gave itself, with an error status.
type Refusal struct {
	// Status is the code, or 0 if the protocol has other means.
	Status int
	// Reason is what was wrong.
	Reason string
	// Malformed says that the request never became an exchange.
	Malformed bool
}

// maxReasons and maxReason bound how many reasons are counted apart, and their
// length. The server's own fit; those of handlers may be anything.
const (
	maxReasons = 128
	maxReason  = 100
)

// refusals counts them, those of malformed requests and those of handlers apart, so
// that neither crowds the other out. They are rare, so all homes share a lock.
type refusals struct {
	mu        sync.Mutex
	malformed map[Refusal]uint64
	answered  map[Refusal]uint64
}

// addMalformed counts a request that never became an exchange.
func (r *refusals) addMalformed(err error) {
	why := Refusal{Malformed: true, Reason: other}
	var refusal *asteri.StatusError
	if errors.As(err, &refusal) {
		why.Status, why.Reason = refusal.Code, refusal.Reason
	}
	r.add(&r.malformed, why)
}

// addAnswered counts the refusal of a request.
func (r *refusals) addAnswered(refusal *asteri.StatusError) {
	r.add(&r.answered, Refusal{Status: refusal.Code, Reason: refusal.Reason})
}

func (r *refusals) add(to *map[Refusal]uint64, why Refusal) {
	if len(why.Reason) > maxReason {
		why.Reason = other
	}
	if why.Status < 400 || why.Status > 599 {
		why.Status = 0
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if *to == nil {
		*to = make(map[Refusal]uint64)
	}
	if _, known := (*to)[why]; !known && len(*to) >= maxReasons {
		why.Reason = other
	}
	(*to)[why]++
}

// all returns the counts.
func (r *refusals) all() map[Refusal]uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := maps.Clone(r.malformed)
	if all == nil {
		all = make(map[Refusal]uint64)
	}
	maps.Copy(all, r.answered)
	return all
}
