// Package perhome keeps a value for each home, which is what owns connections or exchanges
// and has a goroutine of its own, such as an event loop: so what one of them notes meets
// nobody. Homes are few, and stay.
package perhome

import (
	"slices"
	"sync"
	"sync/atomic"
	"unsafe"
)

// Values are made when a home first asks for its own. They may be used from any goroutine;
// a value is its home's.
type Values[H comparable, T any] struct {
	value func(home H) *T
	mu    sync.Mutex // held by who adds a home
	known atomic.Pointer[known[H, T]]
}

// known is not changed: another takes its place. A look at it locks nothing.
type known[H comparable, T any] struct {
	homes  []H // apart from what is theirs, which other processors write to
	values []*T
}

// New returns values that are made by a function.
func New[H comparable, T any](value func(home H) *T) *Values[H, T] {
	v := &Values[H, T]{value: value}
	v.known.Store(new(known[H, T]))
	return v
}

// At returns the value of a home.
func (v *Values[H, T]) At(home H) *T {
	k := v.known.Load()
	for i := range k.homes {
		if same(&k.homes[i], &home) {
			return k.values[i]
		}
	}
	return v.equal(home)
}

// same tells whether two homes are one pointer, as homes mostly are: comparing them as
// interfaces, which have two words, is a call, several times with each request.
func same[H comparable](a, b *H) bool {
	type words = [2]uintptr
	if unsafe.Sizeof(*a) != unsafe.Sizeof(words{}) {
		return *a == *b
	}
	return *(*words)(unsafe.Pointer(a)) == *(*words)(unsafe.Pointer(b))
}

// equal returns the value of a home that is the same as none, but may equal one, and adds
// it if it does not.
func (v *Values[H, T]) equal(home H) *T {
	v.mu.Lock()
	defer v.mu.Unlock()
	k := v.known.Load()
	if i := slices.Index(k.homes, home); i >= 0 {
		return k.values[i]
	}
	made := v.value(home)
	v.known.Store(&known[H, T]{append(slices.Clip(k.homes), home), append(slices.Clip(k.values), made)})
	return made
}

// All returns the values that there are, in the order in which they were made.
func (v *Values[H, T]) All() []*T { return v.known.Load().values }
