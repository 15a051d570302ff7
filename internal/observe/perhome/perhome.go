// Package perhome keeps a value for each home of exchanges, such as the loops of an
// engine, so that what one of them notes meets nobody, and one more for exchanges that
// have another home.
package perhome

import (
	"unsafe"

	"github.com/asteri/asteri-loop"
)

// Values are made once and do not change: anybody may look one up.
type Values[T any] struct {
	homes  []asteri.Executor // apart from what is theirs, which other processors write to
	values []*T              // in the order of homes, and that of all others
}

// New makes the values, the last one with nil for its home.
func New[T any](homes []asteri.Executor, value func(home asteri.Executor) *T) *Values[T] {
	v := &Values[T]{homes: homes}
	for _, home := range homes {
		v.values = append(v.values, value(home))
	}
	v.values = append(v.values, value(nil))
	return v
}

// At returns the value of a home.
func (v *Values[T]) At(home asteri.Executor) *T {
	for i := range v.homes {
		if same(&v.homes[i], &home) {
			return v.values[i]
		}
	}
	return v.equal(home)
}

// same tells whether two homes are one pointer, as homes mostly are: comparing them as
// interfaces is a call, several times with each request.
func same(a, b *asteri.Executor) bool {
	type words = [2]uintptr
	return *(*words)(unsafe.Pointer(a)) == *(*words)(unsafe.Pointer(b))
}

func (v *Values[T]) equal(home asteri.Executor) *T {
	for i, h := range v.homes {
		if h == home {
			return v.values[i]
		}
	}
	return v.Others()
}

// Others returns the value of homes that have none of their own. They may use it at the
// same time.
func (v *Values[T]) Others() *T { return v.values[len(v.homes)] }

// All returns all values, that of the others last.
func (v *Values[T]) All() []*T { return v.values }
