package turns_test

import (
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers/internal/turns"
)

type (
	queue = turns.Queue[int]
	place = turns.Place[int]
)

func connection(proto asteri.Proto) *asteri.Request {
	return &asteri.Request{Proto: proto, Peer: new(asteri.Peer)}
}

// wait has n more wait for a connection.
func wait(q *queue, r *asteri.Request, n int) []*place {
	all := make([]*place, n)
	for i := range all {
		all[i] = new(place)
		q.PushBack(all[i], r)
	}
	return all
}

// Connections take turns, whatever number of requests each has.
func TestConnectionsTakeTurns(t *testing.T) {
	var q queue
	many := wait(&q, connection(asteri.HTTP2), 300)
	few := wait(&q, connection(asteri.HTTP3), 2)
	old := connection(asteri.HTTP11)
	single := wait(&q, old, 2)
	back := new(place)
	q.PushFront(back)
	want := slices.Concat([]*place{back, many[0], few[0]}, single, []*place{many[1], few[1]}, many[2:])
	if got := slices.Collect(q.All()); !slices.Equal(got, want) || q.Len() != len(want) {
		t.Error("they are not in their order")
	}
	for i := range 3 {
		if q.PopFront() != want[i] {
			t.Fatalf("number %d is another", i)
		}
	}
	// One that comes now is of the turn after this one.
	want = slices.Concat(want[3:7], wait(&q, old, 1), want[7:])
	for i := range want {
		if q.PopFront() != want[i] {
			t.Fatalf("number %d of the rest is another", i)
		}
	}
	if q.PopFront() != nil || q.Len() != 0 {
		t.Error("more have waited")
	}
}

// Who has had a place comes first again, also when no others wait.
func TestFront(t *testing.T) {
	var q queue
	r := connection(asteri.HTTP2)
	first := wait(&q, r, 3)
	for range first {
		q.PopFront()
	}
	back := new(place)
	q.PushFront(back)
	late := wait(&q, r, 1)
	if got := slices.Collect(q.All()); !slices.Equal(got, []*place{back, late[0]}) {
		t.Errorf("%d are listed", len(got))
	}
	if !q.Remove(back) || q.Remove(back) || q.PopFront() != late[0] {
		t.Error("what was removed is there, or was removed twice")
	}
}

func TestHindmost(t *testing.T) {
	var q queue
	greedy := connection(asteri.HTTP2)
	all := wait(&q, greedy, 4)
	if q.Hindmost(greedy) != nil {
		t.Error("a connection is behind itself")
	}
	for i := 3; i > 0; i-- {
		if q.Hindmost(connection(asteri.HTTP11)) != all[i] {
			t.Fatalf("number %d is not the last", i)
		}
		q.Remove(all[i])
		wait(&q, connection(asteri.HTTP2), 1)
	}
	if q.Hindmost(connection(asteri.HTTP3)) != nil {
		t.Error("all have one")
	}
}

// Whatever comes and goes, nothing is lost and listed in another order than it leaves in.
func TestAnyOrder(t *testing.T) {
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 0))
		var q queue
		var conns []*asteri.Request
		for range 1 + r.IntN(20) {
			conns = append(conns, connection(asteri.Proto(1+r.IntN(4))))
		}
		waiting := make(map[*place]bool)
		for range 2000 {
			switch p := new(place); r.IntN(5) {
			case 0, 1:
				q.PushBack(p, conns[r.IntN(len(conns))])
				waiting[p] = true
			case 2:
				q.PushFront(p)
				waiting[p] = true
			case 3:
				delete(waiting, q.PopFront())
			case 4:
				for p := range waiting {
					q.Remove(p)
					delete(waiting, p)
					break
				}
			}
			if q.Len() != len(waiting) {
				t.Fatalf("seed %d: %d wait, of %d", seed, q.Len(), len(waiting))
			}
		}
		all := slices.Collect(q.All())
		for _, p := range all {
			if !waiting[p] || q.PopFront() != p {
				t.Fatalf("seed %d: not as they were listed", seed)
			}
		}
		if len(all) != len(waiting) || q.Len() != 0 {
			t.Errorf("seed %d: %d of %d listed, %d left", seed, len(all), len(waiting), q.Len())
		}
	}
}

// Waiting takes no memory beyond the record of a connection.
func TestAllocations(t *testing.T) {
	var q queue
	var p place
	for _, r := range []*asteri.Request{connection(asteri.HTTP11), connection(asteri.HTTP2)} {
		if n := testing.AllocsPerRun(100, func() { q.PushBack(&p, r); q.PopFront() }); n != 0 {
			t.Errorf("%v: %v allocations", r.Proto, n)
		}
	}
}
