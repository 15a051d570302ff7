package poller

import "testing"

// What came before Awake has been seen to, so the owner may sleep; what comes
// after it has not.
func TestAwakeTakesWakeUpsBack(t *testing.T) {
	p, err := New()
	if err != nil {
		t.Fatal(err)
	}
	defer p.Close()
	for _, again := range []bool{false, true} {
		if err := p.Wake(); err != nil {
			t.Fatal(err)
		}
		p.Awake()
		if again {
			if err := p.Wake(); err != nil {
				t.Fatal(err)
			}
		}
		if may := p.waker.sleep(); may == again {
			t.Errorf("woken after Awake: %t; may sleep: %t", again, may)
		}
		p.waker.rise()
	}
}
