package perhome_test

import (
	"slices"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/observe/perhome"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func TestValues(t *testing.T) {
	type value struct{ home asteri.Executor }
	a, b, c := exchangetest.NewExecutor(t), exchangetest.NewExecutor(t), exchangetest.NewExecutor(t)
	v := perhome.New([]asteri.Executor{a, b}, func(home asteri.Executor) *value { return &value{home} })
	for _, home := range []asteri.Executor{a, b} {
		if got := v.At(home); got.home != home || got != v.At(home) {
			t.Errorf("%v has the value of %v", home, got.home)
		}
	}
	if others := v.At(c); others.home != nil || others != v.Others() || others != v.At(nil) {
		t.Errorf("another home has the value of %v", others.home)
	}
	if all := v.All(); !slices.Equal(all, []*value{v.At(a), v.At(b), v.Others()}) {
		t.Errorf("all are %v", all)
	}
	if none := perhome.New(nil, func(asteri.Executor) *value { return new(value) }); none.At(a) != none.Others() {
		t.Error("without homes all exchanges are of others")
	}
}
