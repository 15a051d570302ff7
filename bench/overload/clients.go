package main

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop/bench/load"
)

const (
	probeEvery    = 10 * time.Millisecond
	probeTimeout  = time.Second // what orchestrators give a probe
	honestEvery   = 25 * time.Millisecond
	honestTimeout = 3 * time.Second // not above recovery: who waits when a run ends is not counted
	honestSize    = 16 << 10
)

// target is where a server is reached.
type target struct {
	address string // HTTP/1, and what else it speaks
	h2      string // HTTP/2 without TLS by prior knowledge
	admin   string // the admin listener; "" where there is none
	tls     bool
	sockets bool
}

func (t target) url(address string) string {
	if t.tls {
		return "https://" + address
	}
	return "http://" + address
}

// everything returns the probes and the honest clients, and what closes them.
func (t target) everything() ([]*series, func()) {
	var all []*series
	var closing []func()
	add := func(s *series, close func()) { all, closing = append(all, s), append(closing, close) }
	for _, kept := range []bool{false, true} {
		add(probe("main", t.url(t.address), kept))
		if t.admin != "" {
			add(probe("admin", "http://"+t.admin, kept))
		}
		add(application("h1"+how(kept), t.url(t.address), overTCP(false, kept), kept))
	}
	add(application("h2, kept connection", t.url(t.h2), overTCP(true, true), true))
	if t.tls {
		h3 := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
		add(application("h3, kept connection", t.url(t.address), h3, true))
	}
	if t.sockets {
		add(echoes(t.url(t.address)))
	}
	return all, func() {
		for _, close := range closing {
			close()
		}
	}
}

func how(kept bool) string {
	if kept {
		return ", kept connection"
	}
	return ", new connections"
}

// overTCP speaks HTTP/1 or HTTP/2, on one connection or on one for each request.
func overTCP(h2, kept bool) http.RoundTripper {
	var speaks http.Protocols
	speaks.SetHTTP1(!h2)
	speaks.SetHTTP2(h2)
	speaks.SetUnencryptedHTTP2(h2)
	return &http.Transport{
		// As clients do, a new connection resumes the session of one before.
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true, ClientSessionCache: tls.NewLRUClientSessionCache(0)},
		Protocols:       &speaks, DisableCompression: true, DisableKeepAlives: !kept, MaxIdleConnsPerHost: 1,
	}
}

// closer closes what a transport keeps.
func closer(t http.RoundTripper) func() {
	switch t := t.(type) {
	case *http.Transport:
		return t.CloseIdleConnections
	case *http3.Transport:
		return func() { _ = t.Close() }
	}
	return func() {}
}

// probe asks /livez.
func probe(name, base string, kept bool) (*series, func()) {
	via := overTCP(false, kept)
	return &series{
		name: name + how(kept), group: livez, every: probeEvery, timeout: probeTimeout, serial: kept,
		once: func(ctx context.Context) error { return do(ctx, via, http.MethodGet, base+"/livez", nil, -1) },
	}, closer(via)
}

// application gets and puts in turn.
func application(name, base string, via http.RoundTripper, kept bool) (*series, func()) {
	body := bytes.Repeat([]byte("honest. "), honestSize/8)
	var turn atomic.Int64
	return &series{
		name: name, group: honest, every: honestEvery, timeout: honestTimeout, serial: kept,
		once: func(ctx context.Context) error {
			if turn.Add(1)%2 == 0 {
				return do(ctx, via, http.MethodPut, base+"/echo", body, -1)
			}
			return do(ctx, via, http.MethodGet, fmt.Sprintf("%s/bytes/%d", base, honestSize), nil, honestSize)
		},
	}, closer(via)
}

// do makes one request, whose answer must be good and, unless that is -1, so long.
func do(ctx context.Context, via http.RoundTripper, method, url string, body []byte, length int64) error {
	req, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	// It may be sent again on another connection, when the server has closed the kept
	// one meanwhile: what browsers do for GET and PUT.
	req.Header["Idempotency-Key"] = nil
	resp, err := via.RoundTrip(req)
	if err != nil {
		return summaryOf(err)
	}
	defer resp.Body.Close()
	n, err := io.Copy(io.Discard, resp.Body)
	switch {
	case err != nil:
		return summaryOf(err)
	case resp.StatusCode/100 != 2:
		return errors.New("status " + resp.Status)
	case length >= 0 && n != length:
		return fmt.Errorf("%d bytes, not %d", n, length)
	}
	return nil
}

// summaryOf makes errors of one kind one text: without ports of ours.
func summaryOf(err error) error {
	if errors.Is(err, context.DeadlineExceeded) || errors.Is(err, os.ErrDeadlineExceeded) {
		return errors.New("no answer in time")
	}
	for cause := err; cause != nil; cause = errors.Unwrap(cause) {
		err = cause
	}
	return err
}

// echoes keeps one WebSocket, and opens another when that has ended.
func echoes(base string) (*series, func()) {
	var mu sync.Mutex
	var socket *load.Socket
	closing := func() {
		mu.Lock()
		defer mu.Unlock()
		if socket != nil {
			_ = socket.Close()
			socket = nil
		}
	}
	once := func(ctx context.Context) error {
		mu.Lock()
		defer mu.Unlock()
		if socket == nil {
			opened, err := load.DialSocket(ctx, base+"/ws")
			if err != nil {
				return summaryOf(err)
			}
			socket = opened
		}
		deadline, _ := ctx.Deadline()
		_ = socket.SetDeadline(deadline)
		if err := socket.Echo(); err != nil {
			_ = socket.Close()
			socket = nil
			return summaryOf(err)
		}
		return nil
	}
	return &series{
		name: "WebSocket echo", group: honest, every: honestEvery, timeout: honestTimeout, serial: true, once: once,
	}, closing
}
