//go:build unix

package control

import (
	"bytes"
	"strings"
	"sync"

	"github.com/asteri/asteri-loop/workers/python/internal/marshal"
	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// reports are what a worker tells that takes time to read. It is read on a goroutine, which
// lives while there is any: neither a loop nor who looks for a descriptor waits for it.
type reports struct {
	mu      sync.Mutex
	changed sync.Cond // of what waits
	waiting []waitingReport
	size    int // of what waits and is being read, in bytes
	reading bool
	failed  bool // nothing is read any more
}

type waitingReport struct {
	kind    wire.FrameType
	payload []byte
}

// Bounds of what waits. A worker that has told so much has to wait until it is read, and
// what is found beyond in the search for a descriptor is a little more.
const (
	reportsHigh = 16 << 20
	reportsMost = reportsHigh + 16*maxLook
)

// report queues a report.
func (c *Socket) report(kind wire.FrameType, payload []byte) error {
	r := &c.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case r.failed:
		return nil
	case r.size > reportsMost:
		return wire.Violation("more reports than can be read")
	}
	r.waiting = append(r.waiting, waitingReport{kind, bytes.Clone(payload)})
	r.size += len(payload) + wire.HeaderLen
	if !r.reading {
		r.reading = true
		go c.readReports()
	}
	return nil
}

// wait returns when no more than so many bytes of reports wait.
func (r *reports) wait(most int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for r.size > most {
		r.changed.Wait()
	}
}

func (c *Socket) readReports() {
	r := &c.reports
	r.mu.Lock()
	defer r.mu.Unlock()
	for len(r.waiting) > 0 {
		next := r.waiting[0]
		r.waiting = r.waiting[1:]
		if !r.failed {
			r.mu.Unlock()
			err := c.readReport(next)
			r.mu.Lock()
			if err != nil {
				r.failed = true
				c.on.Broken(err)
			}
		}
		r.size -= len(next.payload) + wire.HeaderLen
		r.changed.Broadcast()
	}
	r.reading, r.waiting = false, nil
}

func (c *Socket) readReport(r waitingReport) error {
	v, err := marshal.Decode(r.payload)
	if err != nil {
		return err
	}
	switch r.kind {
	case wire.FrameMetrics:
		return c.on.Metrics(v)
	case wire.FrameMemory:
		return c.on.Memory(v)
	case wire.FrameSources:
		return c.on.Sources(v)
	}
	threads, ok := v.(map[string]any)
	if !ok {
		return wire.Violation("STACKS is not a dict")
	}
	c.on.Stacks(readStacks(threads))
	return nil
}

// Bounds on what is shown of a worker's stacks.
const (
	maxStacks    = 500
	maxStack     = 64 << 10 // bytes of one
	maxStackName = 200
)

// readStacks returns the stacks by the names of their threads.
func readStacks(threads map[string]any) map[string]string {
	stacks := make(map[string]string, min(len(threads), maxStacks))
	for name, v := range threads {
		if len(stacks) == maxStacks {
			break
		}
		text, _ := v.(string)
		if over := len(text) - maxStack; over > 0 {
			text = "...\n" + text[over:] // the end is where it is
		}
		stacks[wire.Cut(name, maxStackName)] = strings.ToValidUTF8(text, "\uFFFD")
	}
	return stacks
}
