package http2_test

import (
	"crypto/tls"
	"net/netip"
	"testing"
	"time"

	"github.com/summerwind/h2spec/config"
	"github.com/summerwind/h2spec/generic"
	"github.com/summerwind/h2spec/hpack"
	xhttp2 "github.com/summerwind/h2spec/http2"
	"github.com/summerwind/h2spec/spec"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http2"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/loop"
)

// listen serves h over HTTP/2, with TLS or without, until the test ends.
func listen(t testing.TB, secure bool, h asteri.Handler, opts ...asteri.Option) netip.AddrPort {
	t.Helper()
	lc := loop.ListenConfig{Protocols: []loop.Protocol{http2.Protocol(h, opts...)}}
	if secure {
		cert, err := selfsigned.Certificate([]string{"localhost"}, time.Now())
		if err != nil {
			t.Fatal(err)
		}
		tlsConfig := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"h2"}}
		lc.TLS = func() *tls.Config { return tlsConfig }
	}
	return netip.MustParseAddrPort(enginetest.Start(t, loop.Config{Loops: 1}).ListenWith(lc).String())
}

// TestH2Spec runs every case of h2spec, the strict ones too.
func TestH2Spec(t *testing.T) {
	h := asteri.HandlerFunc(func(x asteri.Exchange) {
		_ = x.Respond(200, nil, []byte("a response that is longer than a few windows of one byte"))
	})
	for _, secure := range []bool{false, true} {
		t.Run(map[bool]string{false: "plain", true: "TLS"}[secure], func(t *testing.T) {
			addr := listen(t, secure, h)
			c := &config.Config{
				Host: addr.Addr().String(), Port: int(addr.Port()), Path: "/",
				Timeout: 2 * time.Second, MaxHeaderLen: 4000, Strict: true, TLS: secure, Insecure: true,
			}
			total := 0
			for _, group := range []*spec.TestGroup{generic.Spec(), xhttp2.Spec(), hpack.Spec()} {
				group.Test(c)
				total += report(t, group)
			}
			if total < 145 {
				t.Errorf("only %d cases ran", total)
			}
		})
	}
}

// report fails the test for each case that failed, and returns how many there are.
func report(t *testing.T, g *spec.TestGroup) (total int) {
	for _, tc := range append(g.Tests, g.StrictTests...) {
		switch {
		case tc.Result == nil || tc.Result.Skipped:
			t.Errorf("%s: %s: did not run", g.ID(), tc.Desc)
		case tc.Result.Failed:
			t.Errorf("%s: %s: %v", g.ID(), tc.Desc, tc.Result.Error)
		}
		total++
	}
	for _, sub := range g.Groups {
		total += report(t, sub)
	}
	return total
}
