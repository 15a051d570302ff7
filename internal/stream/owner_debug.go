//go:build asteridebug

package stream

// check asserts that the calling goroutine owns the exchange.
func (x *Exchange) check() {
	if o, ok := x.at.Home.(interface{ CheckOwner() }); ok {
		o.CheckOwner()
	}
}
