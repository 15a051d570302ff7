package server

import (
	"context"
	"reflect"
	"sync/atomic"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/status"
)

// native is a Handler of the embedding program, which a reload may replace.
type native struct {
	handler atomic.Pointer[asteri.Handler]
}

func newNative(h asteri.Handler) *native {
	n := new(native)
	n.handler.Store(&h)
	return n
}

// ServeExchange implements asteri.Handler.
func (n *native) ServeExchange(x asteri.Exchange) { (*n.handler.Load()).ServeExchange(x) }

func (n *native) inner() any { return *n.handler.Load() }

// Ready waits for an Application; any other Handler is ready.
func (n *native) Ready(ctx context.Context) error { return ready(ctx, n.inner()) }

func ready(ctx context.Context, h any) error {
	if a, ok := h.(Application); ok {
		return a.Ready(ctx)
	}
	return nil
}

// Close closes an Application.
func (n *native) Close(ctx context.Context) { finish(ctx, n.inner()) }

func finish(ctx context.Context, h any) {
	if a, ok := h.(Application); ok {
		a.Close(ctx)
	}
}

// Reload waits until the handler of next is ready, has it take the place of the one
// before, and closes that.
func (n *native) Reload(ctx context.Context, next *Mount) error {
	if same(n.inner(), next.Handler) {
		return nil
	}
	if err := ready(ctx, next.Handler); err != nil {
		return err
	}
	finish(ctx, *n.handler.Swap(&next.Handler))
	return nil
}

func same(a, b any) bool {
	return reflect.TypeOf(a) == reflect.TypeOf(b) && reflect.TypeOf(a).Comparable() && a == b
}

// Describe asks the handler, or says that it is one.
func (n *native) Describe() Description {
	if d, ok := n.inner().(Describer); ok {
		return d.Describe()
	}
	return Description{Application: status.Application{Name: "Go handler", Interface: "go"}}
}
