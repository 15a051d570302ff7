package trace

import (
	"slices"
	"sync"
)

// queue holds requests until spans are made of them. Who puts one in does not wait, and
// wakes the tracer's goroutine only when there is a batch for it: being woken for each
// would cost it more than the span.
type queue struct {
	limit int // of requests
	batch int // of spans; not more than limit
	full  chan struct{}

	mu      sync.Mutex
	waiting []*finished
	spans   int // that will be made of waiting
}

func newQueue(l limits) *queue {
	return &queue{limit: l.queue, batch: l.batch, full: make(chan struct{}, 1)}
}

// put returns false if there is no room.
func (q *queue) put(f *finished) bool {
	q.mu.Lock()
	fits := len(q.waiting) < q.limit
	if fits {
		q.waiting = append(q.waiting, f)
		q.spans += f.spans()
	}
	full := q.spans >= q.batch
	q.mu.Unlock()
	if full {
		select {
		case q.full <- struct{}{}:
		default:
		}
	}
	return fits
}

// take returns the requests that have waited longest and make a batch. If there are
// fewer it returns them only if some is set.
func (q *queue) take(some bool) []*finished {
	q.mu.Lock()
	defer q.mu.Unlock()
	n, spans := 0, 0
	for ; n < len(q.waiting) && spans < q.batch; n++ {
		spans += q.waiting[n].spans()
	}
	if spans < q.batch && !some {
		return nil
	}
	taken := slices.Clone(q.waiting[:n])
	q.waiting = slices.Delete(q.waiting, 0, n)
	q.spans -= spans
	return taken
}
