package limit

import (
	"encoding/binary"
	"math/rand/v2"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func addr(n uint32) netip.Addr {
	return netip.AddrFrom4([4]byte(binary.BigEndian.AppendUint32(nil, n)))
}

func TestBucket(t *testing.T) {
	b := newTable(Rate{Requests: 10, Per: time.Second, Burst: 3}, 100)
	a := addr(1)
	for _, step := range []struct{ at, wait time.Duration }{
		{0, 0}, {0, 0}, {0, 0}, // the burst
		{0, 100 * time.Millisecond},
		{40 * time.Millisecond, 60 * time.Millisecond}, // asking does not cost
		{100 * time.Millisecond, 0},
		{100 * time.Millisecond, 100 * time.Millisecond},
		{10 * time.Second, 0}, {10 * time.Second, 0}, {10 * time.Second, 0}, // not more than the burst is saved up
		{10 * time.Second, 100 * time.Millisecond},
	} {
		if wait := b.take(a, step.at); wait != step.wait {
			t.Fatalf("at %v: wait %v, want %v", step.at, wait, step.wait)
		}
	}
	if b.take(addr(2), 10*time.Second) != 0 {
		t.Error("one client waits for another")
	}
}

// Whatever the pattern, no span of time sees more than the rate and one burst.
func TestRateHolds(t *testing.T) {
	r := Rate{Requests: 60, Per: time.Minute, Burst: 5}
	b := newTable(r, 100)
	var let []time.Duration
	for now := time.Duration(0); now < time.Hour; now += time.Duration(rand.IntN(1500)) * time.Millisecond {
		if b.take(addr(1), now) == 0 {
			let = append(let, now)
		}
	}
	for i := range let {
		for j := i + r.Burst; j < len(let); j += 97 {
			most := r.Burst + int((let[j]-let[i])/r.interval())
			if n := j - i + 1; n > most {
				t.Fatalf("%d requests in %v, at most %d", n, let[j]-let[i], most)
			}
		}
	}
	if len(let) < 3000 {
		t.Errorf("only %d requests in an hour", len(let))
	}
}

// The table does not grow, and forgets who was heard of longest ago.
func TestTableIsBounded(t *testing.T) {
	const size = 4 * shards
	b := newTable(Rate{Requests: 1, Per: time.Minute, Burst: 1}, size)
	steady := addr(7)
	if b.take(steady, 0) != 0 {
		t.Fatal("the first request was refused")
	}
	for n := range uint32(100 * size) {
		b.take(addr(1000+n), 0)
		if b.take(steady, 0) == 0 {
			t.Fatalf("a client in use was forgotten after %d others", n)
		}
	}
	total := 0
	for i := range b.shards {
		s := &b.shards[i]
		if len(s.index) != len(s.buckets)-1 || len(s.index) > s.size {
			t.Fatalf("%d in the index, %d buckets, size %d", len(s.index), len(s.buckets)-1, s.size)
		}
		total += len(s.index)
	}
	if total > size {
		t.Errorf("%d clients remembered", total)
	}
}

func TestTableOfAllLoops(t *testing.T) {
	b := newTable(Rate{Requests: 1, Per: time.Hour, Burst: 100}, 1000)
	var let [4]int
	var done sync.WaitGroup
	for i := range let {
		done.Go(func() {
			for range 1000 {
				if b.take(addr(1), 0) == 0 {
					let[i]++
				}
				b.take(addr(rand.Uint32N(1000)+10), 0)
			}
		})
	}
	done.Wait()
	if n := let[0] + let[1] + let[2] + let[3]; n != 100 {
		t.Errorf("%d requests at once", n)
	}
}

func TestHandler(t *testing.T) {
	app := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, nil) })
	exempt, err := addrset.Parse([]string{"10.0.0.0/8"})
	if err != nil {
		t.Fatal(err)
	}
	h := Handler(app, Rate{Requests: 1, Per: time.Hour, Burst: 1}, exempt)
	e := exchangetest.NewExecutor(t)
	ask := func(from string) exchangetest.Result {
		peer := &asteri.Peer{Network: "unix"}
		if from != "" {
			peer.Remote = netip.MustParseAddrPort(from)
		}
		return exchangetest.New(t, e, asteri.Request{Peer: peer}).Answer(h)
	}
	if res := ask("192.0.2.1:1"); res.Status != 200 || res.Kept {
		t.Errorf("first: %+v", res)
	}
	refused, ok := ask("192.0.2.1:2").Err.(*asteri.StatusError)
	if !ok || refused.Code != 429 || refused.RetryAfter < 3500 || refused.RetryAfter > 3600 {
		t.Errorf("second: %+v", refused)
	}
	if ask("[2001:db8::1]:1").Status != 200 || ask("[2001:db8::2]:1").Err == nil || ask("[2001:db8:0:1::1]:1").Status != 200 {
		t.Error("IPv6 clients are not told apart by their network")
	}
	for range 5 {
		if ask("10.1.2.3:1").Status != 200 || ask("").Status != 200 {
			t.Fatal("who has no limit was refused")
		}
	}
}

func BenchmarkTake(b *testing.B) {
	t := newTable(Rate{Requests: 1000, Per: time.Second, Burst: 1000}, tableSize)
	b.RunParallel(func(pb *testing.PB) {
		for now := time.Duration(0); pb.Next(); now += time.Microsecond {
			t.take(addr(rand.Uint32N(100_000)), now)
		}
	})
}
