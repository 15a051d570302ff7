package descriptors

import (
	"os"
	"testing"
)

func TestShares(t *testing.T) {
	for _, test := range []struct{ limit, reserved, clients, requests, conns int64 }{
		{20_000, 400, 19_600, 4_900, 18_375},
		{60, 20, 40, 10, 38},
		{60, 50, 30, 7, 29}, // half of them, whatever the server needs
		{4, 0, 4, 2, 4},
	} {
		b := newTable(test.limit, test.reserved)
		if got := b.clients(); got != test.clients {
			t.Errorf("%d of %d are for clients, want %d", got, test.limit, test.clients)
		}
		for b.room() {
			b.conns.Add(1)
		}
		if got := b.conns.Load(); got != test.conns {
			t.Errorf("%d of %d are for connections, want %d", got, test.limit, test.conns)
		}
		taken := int64(0)
		for b.take() {
			taken++
		}
		if taken != test.requests || b.requests.Load() != taken {
			t.Errorf("%d of %d are for requests, want %d", taken, test.limit, test.requests)
		}
		b.conns.Store(test.clients - taken)
		if b.room() {
			t.Error("connections get what requests have")
		}
	}
}

func TestSystem(t *testing.T) {
	limit := systemLimit()
	before := inUse(limit)
	if limit <= before || before < 3 {
		t.Fatalf("%d of %d are open", before, limit)
	}
	f, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	if n := inUse(limit); n <= before {
		t.Errorf("%d are open, and one more %d", before, n)
	}
	used := process().requests.Load()
	s, err := TakeFile(f)
	if err != nil || process().requests.Load() != used+1 {
		t.Fatalf("%d taken, %v", process().requests.Load(), err)
	}
	if !s.Hold() {
		t.Error("an open file cannot be held")
	}
	_ = s.Close()
	if _, err := s.Stat(); err != nil {
		t.Errorf("closed by the first of two: %v", err)
	}
	_ = s.Close()
	if _, err := s.Stat(); err == nil || s.Hold() || process().requests.Load() != used {
		t.Errorf("open behind the last: %v", err)
	}
}
