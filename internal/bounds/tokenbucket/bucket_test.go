package tokenbucket

import (
	"testing"
	"time"
)

func TestBucket(t *testing.T) {
	now := time.Now()
	b := New(Size{Burst: 10, Rate: 2}, now)
	for i := range 10 {
		if !b.Take(1, now) {
			t.Fatalf("token %d of 10 was refused", i+1)
		}
	}
	if b.Take(1, now) {
		t.Error("took from an empty bucket")
	}
	now = now.Add(time.Second)
	if !b.Take(1, now) || b.Take(1, now) {
		t.Error("a second is to fill what was owed, and one payment")
	}
	b.Put(1) // what the refused payment owes
	b.Put(1)
	if !b.Take(1, now) || b.Take(1, now) {
		t.Error("what was earned is to be there once")
	}
	b.Put(100)
	for range 10 {
		if !b.Take(1, now) {
			t.Fatal("a full bucket gave none")
		}
	}
	if b.Take(1, now) {
		t.Error("a bucket holds more than it is large")
	}
}
