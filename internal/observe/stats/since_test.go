package stats

import (
	"testing"
	"time"
)

func TestSince(t *testing.T) {
	var h histogram
	var before, after Distribution
	h.add(time.Second)
	before.merge(&h)
	for range 10 {
		h.add(10 * time.Millisecond)
	}
	after.merge(&h)
	d := after.Since(&before)
	if q := d.Quantile(0.99); d.Count != 10 || q < 0.009 || q > 0.011 {
		t.Errorf("%d, p99 %v", d.Count, q)
	}
	if d := after.Since(&Distribution{}); d.Count != 11 {
		t.Errorf("since the start: %d", d.Count)
	}
	if d := (&Distribution{}).Since(&Distribution{}); d.Count != 0 || d.Quantile(0.5) != 0 {
		t.Errorf("nothing: %+v", d)
	}
}
