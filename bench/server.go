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
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop/bench/load"
	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/proctree"
)

const (
	startTimeout = 30 * time.Second // from the start to the first right answer
	stopGrace    = 5 * time.Second  // from SIGTERM to SIGKILL
)

// server is a peer that runs.
type server struct {
	peer  peers.Peer
	asked benchCase // what it is started for
	argv  []string
	port  int
	pid   int
	log   string
	ended chan struct{} // closed when the first process has been waited for
}

// start runs p in a folder of its own and waits until it answers as it should.
func start(ctx context.Context, p peers.Peer, at peers.Place, c benchCase) (*server, error) {
	port, err := freePort()
	if err != nil {
		return nil, err
	}
	at.Port = port
	argv, err := p.Prepare(at, c.load.TLS)
	if err != nil {
		return nil, err
	}
	s := &server{peer: p, asked: c, argv: argv, port: port, log: filepath.Join(at.Tmp, "log"), ended: make(chan struct{})}
	if err := s.spawn(filepath.Join(at.Dir, "apps")); err != nil {
		return nil, err
	}
	if err := s.ready(ctx); err != nil {
		return nil, errors.Join(s.explain(err), s.stop())
	}
	return s, nil
}

// spawn starts the process as the leader of a session, by which its
// descendants are known even when they lose their parents.
func (s *server) spawn(dir string) error {
	log, err := os.Create(s.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(s.argv[0], s.argv[1:]...)
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, log, log
	cmd.Env = append(os.Environ(), "NO_COLOR=1")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return err
	}
	s.pid = cmd.Process.Pid
	go func() {
		_ = cmd.Wait()
		close(s.ended)
	}()
	return nil
}

// ready polls until the server answers.
func (s *server) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, startTimeout)
	defer cancel()
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for {
		err := s.check(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-s.ended:
			return errors.New("the server ended at once")
		case <-ctx.Done():
			return fmt.Errorf("not ready: %w", err)
		case <-tick.C:
		}
	}
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

func (s *server) stop() error { return proctree.Stop(s.pid, stopGrace) }

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

// explain adds the end of what the server printed to an error.
func (s *server) explain(err error) error {
	b, readErr := os.ReadFile(s.log)
	if readErr != nil {
		return errors.Join(err, readErr)
	}
	text := strings.TrimSpace(string(b))
	if text == "" {
		return err
	}
	return fmt.Errorf("%w; its log ends: %s", err, text[max(0, len(text)-1000):])
}

// freePort returns a port that was free a moment ago.
func freePort() (int, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return 0, err
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}
