package watch

import (
	"fmt"
	"slices"
	"testing"
	"time"
)

// What editors and git do within a moment is one change, however they do it.
func TestChangesSettle(t *testing.T) {
	const ms = time.Millisecond
	type step struct {
		at   time.Duration
		path string
	}
	for name, c := range map[string]struct {
		steps []step
		due   time.Duration
		paths []string
	}{
		"one write":     {[]step{{0, "a.py"}}, quiet, []string{"a.py"}},
		"vim":           {[]step{{0, "a.py"}, {1 * ms, "4913"}, {2 * ms, "a.py~"}, {4 * ms, "a.py"}}, 4*ms + quiet, []string{"4913", "a.py", "a.py~"}},
		"another later": {[]step{{0, "a.py"}, {19 * ms, "b.py"}}, 19*ms + quiet, []string{"a.py", "b.py"}},
	} {
		var c2 changes
		for _, s := range c.steps {
			if left, some := c2.due(s.at); some && left <= 0 {
				t.Errorf("%s: settled before %v", name, s.at)
			}
			c2.add(s.path, s.at)
		}
		if left, some := c2.due(c.due - 1); !some || left != 1 {
			t.Errorf("%s: %v left just before the end", name, left)
		}
		if got := c2.take(); !slices.Equal(got.Paths, c.paths) || got.All {
			t.Errorf("%s: %v", name, got)
		}
		if _, some := c2.due(time.Hour); some {
			t.Errorf("%s: it was not forgotten", name)
		}
	}
}

// What never ends is told all the same, again and again, and in bounded memory.
func TestChangesThatGoOn(t *testing.T) {
	var c changes
	now := time.Duration(0)
	for n := range maxPaths + 5 {
		c.add(fmt.Sprint(n), now)
		now += quiet / 1000
	}
	for left := time.Duration(1); left > 0; now += quiet / 2 {
		c.add("more", now)
		left, _ = c.due(now)
	}
	if now > longest+quiet {
		t.Errorf("told after %v", now)
	}
	if got := c.take(); len(got.Paths) != maxPaths || !got.All {
		t.Errorf("%d paths, all: %t", len(got.Paths), got.All)
	}
	if c.all(now); !c.take().All {
		t.Error("what nobody can name is no change")
	}
}

func TestFilter(t *testing.T) {
	f := newFilter([]string{"*.html", "static/*.css"}, []string{"build", "tests/data/*"})
	for name, want := range map[string]bool{
		"app.py": true, "shop/views.py": true, "shop/templates/a.html": true, "static/a.css": true, "x/static/a.css": true,
		"a.css": false, "a.txt": false, ".a.py": false, ".git/a.py": false, "build/a.py": false, "x/build/y/a.py": false,
		"tests/data/a.py": false, "tests/a.py": true, "__pycache__/a.py": false, "a.pyc": false, "node_modules/x/a.py": false, "a.py~": false,
	} {
		if got := f.takes(name); got != want {
			t.Errorf("%s: %t", name, got)
		}
	}
	f = newFilter([]string{".*"}, []string{"*.py"})
	if f.takes("app.py") || !f.takes(".env") {
		t.Error("a usual pattern is stronger than a given one")
	}
	if CheckPattern("[a") == nil || CheckPattern("*.[ch]") != nil {
		t.Error("patterns")
	}
}
