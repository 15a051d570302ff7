package pace

import (
	"testing"
	"time"
)

func TestPace(t *testing.T) {
	limit := Limit{Rate: 240, Grace: 5 * time.Second}
	const start = int64(time.Hour)
	type step struct {
		after time.Duration
		took  int // while it waited
		idle  time.Duration
	}
	for name, test := range map[string]struct {
		steps []step
		slow  bool
	}{
		"takes nothing":          {[]step{{after: 6 * time.Second}, {after: 6 * time.Second}}, true},
		"takes a byte each time": {[]step{{after: 6 * time.Second, took: 1}, {after: 6 * time.Second, took: 1}}, true},
		"is as slow as it may":   {[]step{{6 * time.Second, 1500, 0}, {6 * time.Second, 1500, 0}, {6 * time.Second, 1500, 0}}, false},
		"waits for the server":   {[]step{{time.Second, 1, time.Minute}, {time.Second, 1, time.Minute}, {time.Second, 1, time.Minute}}, false},
		"pauses after much":      {[]step{{time.Second, 1, 0}, {time.Second, 1 << 20, 0}, {after: 20 * time.Second}}, false},
		"stops after much":       {[]step{{time.Second, 1, 0}, {time.Second, 1 << 20, 0}, {31 * time.Second, 1, 0}, {6 * time.Second, 1, 0}, {6 * time.Second, 1, 0}}, true},
	} {
		var p Pace
		now, slow := start, false
		for _, s := range test.steps {
			if !p.Wait(now) || p.Wait(now+1) || !p.Waits() {
				t.Errorf("%s: it does not wait", name)
			}
			p.Took(now+int64(s.after/2), s.took) // in the middle of it
			p.Wait(now + int64(s.after/2))
			now += int64(s.after)
			slow = p.Look(now, 0, limit) || slow
			p.Took(now, 0)
			now += int64(s.idle)
		}
		if slow != test.slow {
			t.Errorf("a peer that %s is too slow: %t", name, slow)
		}
		p.Clear()
		if p.Waits() || p.Look(now, 0, limit) {
			t.Errorf("%s: it waits for ever", name)
		}
	}
	// What a socket holds has not been taken.
	p := Held(1 << 20)
	p.Wait(start)
	p.Took(start, 0)
	p.Wait(start)
	if p.Look(start+int64(6*time.Second), 1<<20-6*300, limit) {
		t.Error("what has left the socket does not count")
	}
	if !p.Look(start+int64(20*time.Second), 1<<20-6*300, limit) {
		t.Error("what is in the socket counts")
	}
	if (Limit{}).Late(0, time.Hour) {
		t.Error("no limit is one")
	}
}
