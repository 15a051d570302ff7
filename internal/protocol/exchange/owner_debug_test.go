//go:build asteridebug

package exchange

import (
	"bytes"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/httpfield"
	"github.com/asteri/asteri-loop/internal/system/poison"
)

// owned is a home that says who does not own it: everybody.
type owned struct{ home }

func (*owned) CheckOwner() { panic("not the owner") }

// A call from a goroutine that does not own the exchange is found, whatever the protocol.
func TestForeignCallIsFound(t *testing.T) {
	s := asteri.NewSettings(asteri.HandlerFunc(nil))
	hm := &owned{home{posts: make(chan func(), 10), time: time.Unix(1700000000, 0)}}
	w := newWire(&s, hm)
	for name, call := range map[string]func(x *Exchange){
		"Start":    func(x *Exchange) { _ = x.Start(200, nil) },
		"Respond":  func(x *Exchange) { _ = x.Respond(200, nil, nil) },
		"Write":    func(x *Exchange) { _, _ = x.Write(nil) },
		"Finish":   func(x *Exchange) { _ = x.Finish(nil) },
		"OnDrain":  func(x *Exchange) { x.OnDrain(func() {}) },
		"OnCancel": func(x *Exchange) { x.OnCancel(func(error) {}) },
		"Consumed": func(x *Exchange) { x.Consumed(1) },
		"Abort":    func(x *Exchange) { x.Abort(errTest) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("it was not found")
				}
			}()
			call(&w.Exchange)
		})
	}
}

// A path that is kept beyond its exchange shows no later request's.
func TestKeptPathIsSpoilt(t *testing.T) {
	s := asteri.NewSettings(asteri.HandlerFunc(nil), asteri.WithServer(""))
	at := NewLocal(&s, &home{posts: make(chan func(), 10), time: time.Unix(1700000000, 0)})
	w := new(wire)
	serve := func(path string) []byte {
		w.Init(at, w, asteri.HTTP2, &asteri.Peer{})
		var head httpfield.RequestHead
		w.Head(&head)
		for _, f := range [][2]string{{":method", "GET"}, {":scheme", "http"}, {":path", path}, {":authority", "a"}} {
			head.Add(f[0], f[1])
		}
		if refusal, err := head.End(true, true); refusal != nil || err != nil {
			t.Fatal(refusal, err)
		}
		w.HeadDone(&head)
		return w.Request().Path
	}
	first := serve("/first")
	serve("/later")
	if n := bytes.Count(first, []byte{poison.Byte}); n != len(first) {
		t.Errorf("the path is %q", first)
	}
}
