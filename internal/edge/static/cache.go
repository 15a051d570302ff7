package static

import (
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/jobs"
)

const (
	// freshFor is how long an entry is believed without a look at the disk.
	freshFor = time.Second
	// idleFor is how long an entry is kept that nobody asks for. It may hold
	// a deleted file open, whose space the disk then lacks.
	idleFor = time.Minute
	// maxOpen bounds the files that are kept open, as does half of what requests
	// may hold: the rest is for those that are being sent and were forgotten.
	maxOpen = 512
	// maxEntries bounds the paths that are known, most of which may be those
	// of no file.
	maxEntries = 16 << 10
)

// cache remembers what paths stand for. All loops share it; its lock is held for
// a few instructions, never while the disk is waited for.
//
// Entries are forgotten by SIEVE (Zhang and others, NSDI 2024): a hand moves from
// the oldest to the newest and takes the first that nobody has asked for since it
// last came by. So a scan of many paths does not drive out those in use, and a
// hit only sets a flag.
type cache struct {
	capacity int64 // bytes
	maxOpen  int   // files
	pool     *jobs.Pool
	start    time.Time

	mu       sync.RWMutex
	entries  map[string]*entry
	loading  map[string][]func(*entry) // who waits for a look at the disk
	newest   *entry
	oldest   *entry
	hand     *entry
	bytes    int64
	open     int
	sweeping *time.Timer // nil while the cache is empty
	closed   bool
}

func newCache(capacity int64, pool *jobs.Pool) *cache {
	return &cache{
		capacity: capacity, maxOpen: min(maxOpen, max(descriptors.Bound()/2, 1)), pool: pool, start: time.Now(),
		entries: make(map[string]*entry), loading: make(map[string][]func(*entry)),
	}
}

// get returns the entry of key if it is fresh at a time, else nil.
func (c *cache) get(key []byte, at time.Time) *entry {
	c.mu.RLock()
	e := c.entries[string(key)]
	c.mu.RUnlock()
	if e == nil || at.Sub(c.start)-time.Duration(e.checked.Load()) > freshFor {
		return nil
	}
	if !e.visited.Load() {
		e.visited.Store(true)
	}
	return e
}

// load has look find out, off the loops, what key stands for, and calls then with
// that. Calls for the same key share one look.
func (c *cache) load(key string, look func(old *entry) *entry, then func(*entry)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	waiting, busy := c.loading[key]
	c.loading[key] = append(waiting, then)
	if busy {
		return
	}
	old := c.entries[key]
	c.pool.Go(func() {
		e, at := look(old), time.Since(c.start)
		waiting, ok := c.loaded(key, e, at)
		if !ok { // old is still true, but was forgotten meanwhile
			e, at = look(nil), time.Since(c.start)
			waiting, _ = c.loaded(key, e, at)
		}
		for _, then := range waiting {
			then(e)
		}
	})
}

// loaded takes in what was found, and returns who waits for it. It refuses an
// entry that was forgotten, whose files are closed.
func (c *cache) loaded(key string, e *entry, at time.Duration) (waiting []func(*entry), ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e.gone {
		return nil, false
	}
	e.checked.Store(int64(at))
	waiting = c.loading[key]
	delete(c.loading, key)
	old := c.entries[key]
	if old == e || c.closed {
		return waiting, true
	}
	if old != nil {
		c.remove(old)
	}
	bytes, open := e.cost()
	for c.oldest != nil && (c.bytes+bytes > c.capacity || c.open+open > c.maxOpen || len(c.entries) >= maxEntries) {
		c.evict()
	}
	c.add(e)
	if c.sweeping == nil {
		c.sweeping = time.AfterFunc(idleFor, c.sweep)
	}
	return waiting, true
}

func (c *cache) add(e *entry) {
	c.entries[e.key] = e
	e.older = c.newest
	if c.newest != nil {
		c.newest.newer = e
	} else {
		c.oldest = e
	}
	c.newest = e
	bytes, open := e.cost()
	c.bytes += bytes
	c.open += open
}

// remove forgets e. Who is still sending one of its files holds it.
func (c *cache) remove(e *entry) {
	delete(c.entries, e.key)
	if c.hand == e {
		c.hand = e.newer
	}
	if e.newer != nil {
		e.newer.older = e.older
	} else {
		c.newest = e.older
	}
	if e.older != nil {
		e.older.newer = e.newer
	} else {
		c.oldest = e.newer
	}
	e.older, e.newer, e.gone = nil, nil, true
	bytes, open := e.cost()
	c.bytes -= bytes
	c.open -= open
	e.close()
}

// evict forgets one entry.
func (c *cache) evict() {
	for {
		e := c.hand
		if e == nil {
			e = c.oldest
		}
		if e.visited.CompareAndSwap(true, false) {
			c.hand = e.newer
			continue
		}
		c.remove(e)
		return
	}
}

// sweep forgets what nobody has asked for of late.
func (c *cache) sweep() {
	c.mu.Lock()
	defer c.mu.Unlock()
	limit := time.Since(c.start) - idleFor
	for e := c.oldest; e != nil; {
		newer := e.newer
		if time.Duration(e.checked.Load()) < limit {
			c.remove(e)
		}
		e = newer
	}
	c.sweeping = nil
	if c.oldest != nil && !c.closed {
		c.sweeping = time.AfterFunc(idleFor, c.sweep)
	}
}

// close forgets everything.
func (c *cache) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.closed = true
	if c.sweeping != nil {
		c.sweeping.Stop()
		c.sweeping = nil
	}
	for c.oldest != nil {
		c.remove(c.oldest)
	}
}
