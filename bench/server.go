package main

import (
	"bytes"
	"cmp"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/testbed"
)

// stopGrace is the time from SIGTERM to SIGKILL.
const stopGrace = 5 * time.Second

// server is a peer that runs.
type server struct {
	*testbed.Process
	peer  peers.Peer
	asked benchCase // what it is started for
	argv  []string
	port  int
}

// start runs p in a folder of its own and waits until it answers as it should.
func start(ctx context.Context, p peers.Peer, at peers.Place, c benchCase) (*server, error) {
	port, err := testbed.FreePort()
	if err != nil {
		return nil, err
	}
	at.Port = port
	argv, err := p.Prepare(at, c.load.TLS)
	if err != nil {
		return nil, err
	}
	s := &server{peer: p, asked: c, argv: argv, port: port}
	if s.Process, err = testbed.Start(argv, filepath.Join(at.Dir, "apps"), filepath.Join(at.Tmp, "log")); err != nil {
		return nil, err
	}
	if err := s.Ready(ctx, s.check); err != nil {
		return nil, errors.Join(s.Explain(err), s.stop())
	}
	return s, nil
}

// check asks for the answer once, on a new connection, and compares it.
func (s *server) check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	if s.asked.load.Protocol == load.WebSocket {
		return s.checkEcho(ctx)
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url(), nil)
	if err != nil {
		return err
	}
	transport, closing := s.transport()
	defer closing()
	resp, err := transport.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, 1<<21))
	if err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK || !bytes.Equal(body, peers.Content(s.path())) {
		return fmt.Errorf("wrong answer: %s, body %.80q", resp.Status, body)
	}
	if kind := resp.Header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain") {
		return fmt.Errorf("wrong answer: Content-Type %q", kind)
	}
	return nil
}

func (s *server) checkEcho(ctx context.Context) error {
	socket, err := load.DialSocket(ctx, s.url())
	if err != nil {
		return err
	}
	defer socket.Close()
	deadline, _ := ctx.Deadline()
	if err := socket.SetDeadline(deadline); err != nil {
		return err
	}
	return socket.Echo()
}

// transport speaks the protocol of the case, and no other.
func (s *server) transport() (http.RoundTripper, func()) {
	insecure := &tls.Config{InsecureSkipVerify: true}
	if s.asked.load.Protocol == load.HTTP3 {
		t := &http3.Transport{TLSClientConfig: insecure}
		return t, func() { _ = t.Close() }
	}
	var speaks http.Protocols
	speaks.SetHTTP1(s.asked.load.Protocol == load.HTTP1)
	speaks.SetHTTP2(s.asked.load.Protocol == load.HTTP2)
	speaks.SetUnencryptedHTTP2(s.asked.load.Protocol == load.HTTP2)
	t := &http.Transport{TLSClientConfig: insecure, Protocols: &speaks, DisableCompression: true}
	return t, t.CloseIdleConnections
}

func (s *server) stop() error { return s.Stop(stopGrace) }

func (s *server) address() string {
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(s.port))
}

func (s *server) path() string {
	return cmp.Or(s.asked.path, s.peer.Path, "/")
}

func (s *server) url() string {
	scheme := "http"
	if s.asked.load.TLS {
		scheme = "https"
	}
	return scheme + "://" + s.address() + s.path()
}

// shown is the command line as a reader would type it.
func (s *server) shown(at peers.Place) string {
	return strings.NewReplacer(
		at.Tmp, "TMP", at.Collector, "COLLECTOR", at.Bin+"/", "", at.Venv+"/bin/", "", at.Cert, "CERT", at.Key, "KEY", strconv.Itoa(s.port), "PORT",
	).Replace(strings.Join(s.argv, " "))
}
