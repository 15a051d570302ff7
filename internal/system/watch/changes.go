package watch

import (
	"maps"
	"slices"
	"time"
)

// Change is what has changed within a moment.
type Change struct {
	Paths []string
	// All says that there may have been more: nobody can tell.
	All bool
}

// When a change has settled.
const (
	// quiet is for how long nothing more must have come. An editor writes a file, gives it
	// its name and takes the old one away within a few milliseconds.
	quiet = 20 * time.Millisecond
	// longest is how long what goes on and on is waited for: another change follows then.
	longest = 500 * time.Millisecond
	// maxPaths bounds the names that are kept.
	maxPaths = 10_000
)

// changes gathers what belongs together.
type changes struct {
	paths       map[string]bool
	more        bool
	first, last time.Duration // by the clock of deadlines
}

func (c *changes) some() bool { return len(c.paths) > 0 || c.more }

func (c *changes) add(path string, now time.Duration) {
	c.touch(now)
	if len(c.paths) >= maxPaths {
		c.more = true
		return
	}
	if c.paths == nil {
		c.paths = make(map[string]bool)
	}
	c.paths[path] = true
}

// all notes that anything may have changed.
func (c *changes) all(now time.Duration) {
	c.touch(now)
	c.more = true
}

func (c *changes) touch(now time.Duration) {
	if !c.some() {
		c.first = now
	}
	c.last = now
}

// due returns in how long what there is will have settled, if there is something.
func (c *changes) due(now time.Duration) (left time.Duration, some bool) {
	return min(c.last+quiet, c.first+longest) - now, c.some()
}

// take returns what there is, and forgets it.
func (c *changes) take() Change {
	taken := Change{Paths: slices.Sorted(maps.Keys(c.paths)), All: c.more}
	*c = changes{}
	return taken
}
