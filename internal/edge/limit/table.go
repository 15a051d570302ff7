package limit

import (
	"hash/maphash"
	"net/netip"
	"sync"
	"time"
)

// table holds the buckets of all clients. It is in shards, so that loops seldom
// wait for each other, and of a fixed size.
type table struct {
	seed   maphash.Seed
	shards [shards]shard
}

const shards = 64

func newTable(r Rate, size int) *table {
	t := &table{seed: maphash.MakeSeed()} // an attacker must not choose the shard
	for i := range t.shards {
		t.shards[i].init(r, max(size/shards, 1))
	}
	return t
}

func (t *table) take(client netip.Addr, now time.Duration) time.Duration {
	h := maphash.Comparable(t.seed, client)
	return t.shards[h%shards].take(client, now)
}

// shard is a part of the clients, in the order in which they were last heard of.
type shard struct {
	interval time.Duration
	depth    time.Duration // what a full bucket is worth

	mu      sync.Mutex
	index   map[netip.Addr]int32
	buckets []bucket // of those in index; buckets[0] begins and ends the list
	size    int
}

// bucket is the state of one client. A bucket fills at a constant rate, so all
// that there is to know is when it will be full.
type bucket struct {
	client     netip.Addr
	full       time.Duration
	prev, next int32
}

func (s *shard) init(r Rate, size int) {
	s.interval = r.interval()
	s.depth = s.interval * time.Duration(r.Burst)
	s.size = size
	s.index = make(map[netip.Addr]int32)
	s.buckets = make([]bucket, 1) // its neighbors are itself
}

func (s *shard) take(client netip.Addr, now time.Duration) (wait time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.index[client]
	if known {
		s.unlink(i)
	} else {
		i = s.add(client)
	}
	s.pushFront(i)
	b := &s.buckets[i]
	full := max(b.full, now) + s.interval
	if wait = full - now - s.depth; wait > 0 {
		return wait
	}
	b.full = full
	return 0
}

// add makes a full bucket for client, if need be in place of the one that was used
// longest ago.
func (s *shard) add(client netip.Addr) int32 {
	i := int32(len(s.buckets))
	if len(s.buckets) <= s.size {
		s.buckets = append(s.buckets, bucket{})
	} else {
		i = s.buckets[0].prev
		s.unlink(i)
		delete(s.index, s.buckets[i].client)
	}
	s.buckets[i] = bucket{client: client}
	s.index[client] = i
	return i
}

func (s *shard) unlink(i int32) {
	b := &s.buckets[i]
	s.buckets[b.prev].next = b.next
	s.buckets[b.next].prev = b.prev
}

func (s *shard) pushFront(i int32) {
	head := &s.buckets[0]
	s.buckets[i].prev, s.buckets[i].next = 0, head.next
	s.buckets[head.next].prev = i
	head.next = i
}
