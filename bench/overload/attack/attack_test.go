package attack

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/klauspost/compress/flate"
	"golang.org/x/net/http2"
)

func TestBombIsSmallAndInflatesToNearlyTheLimit(t *testing.T) {
	small, err := bomb()
	if err != nil {
		t.Fatal(err)
	}
	if len(small) > 17_000 {
		t.Errorf("%d bytes", len(small))
	}
	n, err := io.Copy(io.Discard, flate.NewReader(io.MultiReader(bytes.NewReader(small), strings.NewReader("\x00\x00\xff\xff"))))
	if n != inflated || err != io.ErrUnexpectedEOF { // a message is no whole stream
		t.Errorf("inflates to %d bytes, %v", n, err)
	}
}

func TestFrameSaysItsLength(t *testing.T) {
	for _, n := range []int{0, 125, 126, 65_535} {
		b := frame(final|binaryFrame, make([]byte, n))
		head := len(b) - n
		if want := 6; n < 126 && (head != want || int(b[1]&0x7f) != n) {
			t.Errorf("%d bytes: % x", n, b[:head])
		}
		if want := 8; n >= 126 && (head != want || b[1]&0x7f != 126 || int(b[2])<<8|int(b[3]) != n) {
			t.Errorf("%d bytes: % x", n, b[:head])
		}
	}
}

func TestZeroWindowHasNone(t *testing.T) {
	var out bytes.Buffer
	if err := askAll(&out, Plan{Address: "127.0.0.1:80", Path: "/x", Streams: 3}); err != nil {
		t.Fatal(err)
	}
	out.Next(len(http2.ClientPreface))
	framer := http2.NewFramer(io.Discard, &out)
	settings, streams := false, 0
	for {
		f, err := framer.ReadFrame()
		if err != nil {
			break
		}
		switch f := f.(type) {
		case *http2.SettingsFrame:
			window, ok := f.Value(http2.SettingInitialWindowSize)
			settings = ok && window == 0
		case *http2.HeadersFrame:
			streams++
		default:
			t.Errorf("sends %v", f)
		}
	}
	if !settings || streams != 3 {
		t.Errorf("no window: %v, %d requests", settings, streams)
	}
}

// An attack comes to what it is for against a server that lets it, and ends with its
// context: nothing of it is left.
func TestAttacksHoldAndEnd(t *testing.T) {
	const connections, streams = 5, 3
	for kind, requests := range map[string]int64{
		"zero-window": connections * streams, "stalled-reader": connections, "held-upload": connections, "whole-upload": connections,
		"asked": connections,
	} {
		t.Run(kind, func(t *testing.T) {
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			var asked atomic.Int64
			server := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if strings.HasSuffix(kind, "-upload") {
					if n, err := io.CopyN(io.Discard, r.Body, uploadSize-1); err != nil {
						t.Errorf("a body of %d bytes, %v", n, err)
					}
				}
				if kind == "whole-upload" {
					if n, err := io.Copy(io.Discard, r.Body); n != 1 || err != nil {
						t.Errorf("its last byte: %d, %v", n, err)
					}
				}
				if asked.Add(1) == requests {
					cancel()
				}
				if kind == "held-upload" { // the last byte does not come
					if n, err := io.Copy(io.Discard, r.Body); n != 0 || err == nil {
						t.Errorf("its last byte: %d, %v", n, err)
					}
				}
			}))
			server.Config.Protocols = new(http.Protocols)
			server.Config.Protocols.SetHTTP1(true)
			server.Config.Protocols.SetUnencryptedHTTP2(true)
			server.Start()
			defer server.Close()
			got, err := Run(ctx, Plan{
				Kind: kind, Address: server.Listener.Addr().String(), Path: "/",
				Connections: connections, Streams: streams, PerSecond: 1000, Duration: time.Minute,
			})
			if err != nil || asked.Load() < requests || got.Failed > 0 {
				t.Errorf("%d requests, %+v, %v", asked.Load(), got, err)
			}
		})
	}
}

func TestOnlyThisMachineIsAttacked(t *testing.T) {
	for _, address := range []string{"192.0.2.1:80", "[2001:db8::1]:80", "localhost:80", "127.0.0.1"} {
		if _, err := Run(t.Context(), Plan{Kind: "silent", Address: address, Connections: 1, PerSecond: 1, Duration: time.Second}); err == nil {
			t.Errorf("%s was attacked", address)
		}
	}
	if _, err := Run(t.Context(), Plan{Kind: "none", Address: "127.0.0.1:80", Connections: 1, PerSecond: 1, Duration: time.Second}); err == nil {
		t.Error("an attack that there is not")
	}
}
