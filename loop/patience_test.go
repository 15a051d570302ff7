package loop

import "testing"

func TestPatience(t *testing.T) {
	var p patience
	attempts := func(sleeps int, finds func(attempt int) bool) (n int) {
		for range sleeps {
			if p.has() {
				p.learn(finds(n))
				n++
			}
		}
		return n
	}
	if n := attempts(1000, func(int) bool { return true }); n != 1000 {
		t.Errorf("finds all the time: %d attempts for 1000 sleeps", n)
	}
	if n := attempts(1000, func(i int) bool { return i%3 != 0 }); n != 1000 {
		t.Errorf("finds two times in three: %d attempts for 1000 sleeps", n)
	}
	if n := attempts(65*100, func(int) bool { return false }); n > 103 {
		t.Errorf("finds nothing: %d attempts for 6500 sleeps", n)
	}
	if n := attempts(65*100, func(i int) bool { return i%2 == 0 }); n > 400 {
		t.Errorf("a find for each wait in vain: %d attempts for 6500 sleeps", n)
	}
	if n := attempts(1000, func(int) bool { return true }); n < 1000-restBetween {
		t.Errorf("finds again: %d attempts for 1000 sleeps", n)
	}
}
