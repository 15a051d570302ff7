package perhome_test

import (
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/asteri/asteri-loop/internal/system/perhome"
)

type value struct{ home string }

func TestValues(t *testing.T) {
	v := perhome.New(func(home string) *value { return &value{home} })
	if all := v.All(); len(all) != 0 {
		t.Errorf("nobody has asked, and there are %v", all)
	}
	for range 2 {
		for _, home := range []string{"a", "b", ""} {
			if got := v.At(home); got.home != home || got != v.At(home) {
				t.Errorf("%q has the value of %q", home, got.home)
			}
		}
	}
	if all := v.All(); !slices.Equal(all, []*value{v.At("a"), v.At("b"), v.At("")}) {
		t.Errorf("all are %v", all)
	}
}

// However many ask at once, a home has one value.
func TestOneValueForEach(t *testing.T) {
	var made atomic.Int64
	v := perhome.New(func(int) *value { made.Add(1); return new(value) })
	const homes, askers = 20, 8
	var got [askers][homes]*value
	var all sync.WaitGroup
	for i := range askers {
		all.Go(func() {
			for home := range homes {
				got[i][home] = v.At(home)
			}
		})
	}
	all.Wait()
	for i := range askers {
		if got[i] != got[0] {
			t.Errorf("asker %d has other values", i)
		}
	}
	if n := made.Load(); n != homes || len(v.All()) != homes {
		t.Errorf("%d made, %d kept", n, len(v.All()))
	}
}

func BenchmarkAt(b *testing.B) {
	v := perhome.New(func(any) *value { return new(value) })
	homes := [4]any{new(value), new(value), new(value), new(value)}
	for _, home := range homes {
		v.At(home)
	}
	b.ReportAllocs()
	for b.Loop() {
		v.At(homes[3])
	}
}
