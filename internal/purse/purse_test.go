package purse

import (
	"testing"
	"time"
)

func TestPurse(t *testing.T) {
	now := time.Now()
	p := New(Size{Full: 10, Rate: 2}, now)
	for i := range 10 {
		if !p.Pay(1, now) {
			t.Fatalf("payment %d of 10 was refused", i+1)
		}
	}
	if p.Pay(1, now) {
		t.Error("paid from an empty purse")
	}
	now = now.Add(time.Second)
	if !p.Pay(1, now) || p.Pay(1, now) {
		t.Error("a second is to fill what was owed, and one payment")
	}
	p.Earn(1) // what the refused payment owes
	p.Earn(1)
	if !p.Pay(1, now) || p.Pay(1, now) {
		t.Error("what was earned is to be there once")
	}
	p.Earn(100)
	for range 10 {
		if !p.Pay(1, now) {
			t.Fatal("a full purse did not pay")
		}
	}
	if p.Pay(1, now) {
		t.Error("a purse holds more than it is large")
	}
}
