package onloop_test

import (
	"crypto/tls"
	"errors"
	"net/netip"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/protocol/onloop"
	"github.com/asteri/asteri-loop/loop"
)

func TestPeer(t *testing.T) {
	remote := netip.MustParseAddrPort("192.0.2.1:4711")
	secure := new(tls.ConnectionState)
	p := onloop.Peer(&loop.ConnInfo{Network: "unix", Remote: remote, SocketPath: "/run/a", TLS: secure})
	if p.Network != "unix" || p.Remote != remote || p.SocketPath != "/run/a" || p.TLS != secure || p.Proxy != nil {
		t.Errorf("peer is %+v", p)
	}
	for _, anonymous := range []bool{false, true} {
		p := onloop.Peer(&loop.ConnInfo{Proxied: true, Anonymous: anonymous})
		if p.Proxy == nil || p.Proxy.Anonymous != anonymous {
			t.Errorf("behind a proxy the peer is %+v", p)
		}
	}
}

func TestGone(t *testing.T) {
	reset := errors.New("reset")
	for cause, want := range map[error]error{
		loop.PeerClosed:   asteri.ErrClientGone,
		loop.DrainExpired: asteri.ErrStopping,
		reset:             asteri.ErrClientGone,
	} {
		if err := onloop.Gone(cause); !errors.Is(err, want) {
			t.Errorf("%v is told as %v", cause, err)
		}
	}
	var mistake *asteri.ResponseError
	if err := onloop.Gone(loop.QueueFull); !errors.As(err, &mistake) || errors.Is(err, asteri.ErrClientGone) {
		t.Errorf("what the handler has done is told as %v", err)
	}
	if !errors.Is(onloop.Gone(reset), reset) {
		t.Error("the cause is lost")
	}
}

// Sessions and handlers go by the same marks.
func TestMarksAreTheSame(t *testing.T) {
	if loop.HighWater != asteri.HighWater || loop.LowWater != asteri.LowWater {
		t.Error("package loop has other marks than package asteri")
	}
}
