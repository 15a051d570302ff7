package status

import (
	"bytes"
	"net/http"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/local"
	"github.com/asteri/asteri-loop/internal/system/awake"
)

// Bounds of listeners.
const (
	// maxListeners is how many there may be of a kind and for one sort of clients:
	// those with full access never find the places taken by others.
	maxListeners = 32
	// eventPeriod is the time between two snapshots.
	eventPeriod = time.Second
)

// listener is a client that takes events until it leaves.
type listener struct {
	x      asteri.Exchange
	access access
	query  *logQuery     // of a tail
	page   *pageView     // of the page's own events; nil for documents
	cursor atomic.Uint64 // of the last record sent, or number of the last snapshot
	sentAt atomic.Int64  // by the clock of deadlines
	posted atomic.Bool   // a frame is on its way to the exchange's home
	gone   atomic.Bool

	clogged bool // the client does not keep up; its home's
}

// pageView is what a listener's page shows. It belongs to the publisher, but while a
// frame is on its way.
type pageView struct {
	lang language
	have []section
}

// send writes a frame, then calls wrote, unless the client is slow: it then misses
// this frame, and what waits for it stays within the bound.
func (st *listener) send(frame []byte, wrote func()) {
	if !st.posted.CompareAndSwap(false, true) {
		return
	}
	alive := st.x.Post(func() {
		defer st.posted.Store(false)
		if st.clogged {
			return
		}
		queued, err := st.x.Write(frame)
		if err != nil {
			st.gone.Store(true)
			return
		}
		st.sentAt.Store(int64(awake.Now()))
		if wrote != nil {
			wrote()
		}
		if queued >= asteri.LowWater {
			st.clogged = true
			st.x.OnDrain(func() { st.clogged = false })
		}
	})
	if !alive {
		st.gone.Store(true)
	}
}

// silent is for how long nothing was sent.
func (st *listener) silent() time.Duration { return awake.Now() - time.Duration(st.sentAt.Load()) }

// listeners are those of one kind. A goroutine serves them all, which is there
// only while they are.
type listeners struct {
	period  time.Duration
	publish func([]*listener)

	mu      sync.Mutex
	all     []*listener
	serving bool
	ended   bool
}

func newListeners(period time.Duration, publish func([]*listener)) *listeners {
	return &listeners{period: period, publish: publish}
}

// open begins to tell a client, or answers that there are too many.
func (l *listeners) open(v *visit, st *listener) {
	if !l.add(st) {
		h := local.Head(plainText)
		h.Add("Retry-After", "5")
		send(v, http.StatusServiceUnavailable, h, "too many listeners\n")
		return
	}
	st.sentAt.Store(int64(awake.Now()))
	// One that sends nothing more has left, or could not be told from one that has:
	// nothing else would ever end its stream.
	v.OnCancel(func(error) {
		st.gone.Store(true)
		_ = v.Finish(nil)
	})
	h := local.Head("text/event-stream; charset=utf-8")
	h.Add("X-Accel-Buffering", "no") // for proxies that collect responses
	err := v.Start(http.StatusOK, h)
	if err == nil && v.r.Method == http.MethodHead {
		st.gone.Store(true)
		err = v.Finish(nil)
	} else if err == nil {
		_, err = v.Write([]byte("retry: 2000\n\n"))
	}
	if err != nil {
		st.gone.Store(true)
	}
}

func (l *listeners) add(st *listener) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.sweep()
	same := 0
	for _, other := range l.all {
		if other.access == st.access {
			same++
		}
	}
	if l.ended || same >= maxListeners {
		return false
	}
	l.all = append(l.all, st)
	if !l.serving {
		l.serving = true
		go l.serve()
	}
	return true
}

// sweep forgets those that have gone.
func (l *listeners) sweep() {
	l.all = slices.DeleteFunc(l.all, func(st *listener) bool { return st.gone.Load() })
}

func (l *listeners) serve() {
	tick := time.NewTicker(l.period)
	defer tick.Stop()
	for {
		l.mu.Lock()
		l.sweep()
		if len(l.all) == 0 {
			l.serving = false
			l.mu.Unlock()
			return
		}
		all := slices.Clone(l.all)
		l.mu.Unlock()
		l.publish(all)
		<-tick.C
	}
}

// end ends all streams, and those that come later at once.
func (l *listeners) end() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.ended = true
	for _, st := range l.all {
		st.gone.Store(true)
		st.x.Post(func() { _ = st.x.Finish(nil) }) // fails if the client has left
	}
}

// listen sends a snapshot a second, or what has changed of the page.
func (s *Monitor) listen(v *visit) {
	q, ok := parseQuery(v.query)
	if !ok {
		respond(v, http.StatusRequestURITooLong, plainText, "the query is malformed or too long\n")
		return
	}
	st := &listener{x: v.Exchange, access: v.access}
	if q.Get("as") == "html" {
		st.page = &pageView{lang: languageOf(v.r, q)}
	}
	s.events.open(v, st)
}

// publish gives each listener the present snapshot, the first time with the history.
func (s *Monitor) publish(all []*listener) {
	sn := s.snapshot()
	p := pages{s, sn, make(map[view][]section)}
	var made [2][2][]byte
	for _, st := range all {
		if st.posted.Load() {
			continue // and its page is not ours
		}
		if st.page != nil {
			if frame, have := p.frame(st); frame != nil {
				st.send(frame, func() { st.page.have = have })
			}
			continue
		}
		number := st.cursor.Load() + 1
		frame := &made[index(st.access == full)][index(number == 1)]
		if *frame == nil {
			*frame = appendEvent(nil, "snapshot", uint64(sn.doc.Time.UnixMilli()), bytes.TrimSpace(sn.encode(st.access, number == 1)))
		}
		st.send(*frame, func() { st.cursor.Store(number) })
	}
}
