package loop

import (
	"testing"
	"time"
)

func TestAdapt(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name        string
		t           busyTime
		active, all int
		want        int
	}{
		{"nothing to do", busyTime{500 * ms, 500 * ms, 0}, 1, 4, 1},
		{"half busy", busyTime{500 * ms, 250 * ms, 250 * ms}, 1, 4, 1},
		{"saturated", busyTime{500 * ms, 10 * ms, 480 * ms}, 1, 4, 2},
		{"saturated, all active", busyTime{500 * ms, 10 * ms, 1990 * ms}, 4, 4, 4},
		{"never slept, but had no processor", busyTime{500 * ms, 0, 300 * ms}, 1, 4, 1},
		{"others use the processors", busyTime{500 * ms, 200 * ms, 500 * ms}, 1, 4, 1},
		{"two saturated", busyTime{500 * ms, 0, 900 * ms}, 2, 4, 3},
		{"two loops, work for less than half of one", busyTime{500 * ms, 400 * ms, 200 * ms}, 2, 4, 1},
		{"two loops, work for more", busyTime{500 * ms, 400 * ms, 240 * ms}, 2, 4, 2},
		{"three loops, work for less than two", busyTime{500 * ms, 300 * ms, 400 * ms}, 3, 4, 2},
		{"the only loop stays", busyTime{500 * ms, 500 * ms, 0}, 1, 1, 1},
		{"too long a window", busyTime{2000 * ms, 0, 2000 * ms}, 1, 4, 1},
		{"too long, and idle", busyTime{10_000 * ms, 9_000 * ms, 0}, 2, 4, 2},
	} {
		if got := adapt(tc.t, tc.active, tc.all); got != tc.want {
			t.Errorf("%s: %d active, want %d", tc.name, got, tc.want)
		}
	}
}

func TestIsBusy(t *testing.T) {
	const ms = time.Millisecond
	for _, tc := range []struct {
		name        string
		was         bool
		cpu         time.Duration
		connections int64
		want        bool
	}{
		{"nothing to do", false, 0, 100, false},
		{"much to do for many", false, 200 * ms, 64, true},
		{"much to do for few", false, 500 * ms, 7, false},
		{"a little to do, as before", true, 60 * ms, 64, true},
		{"a little to do, for the first time", false, 60 * ms, 64, false},
		{"next to nothing to do", true, 20 * ms, 64, false},
		{"those who were many have gone", true, 400 * ms, 1, false},
	} {
		if got := isBusy(tc.was, busyTime{elapsed: 500 * ms, cpu: tc.cpu}, tc.connections); got != tc.want {
			t.Errorf("%s: %v, want %v", tc.name, got, tc.want)
		}
	}
}
