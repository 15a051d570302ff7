//go:build linux

package suite

import (
	"context"
	"crypto/tls"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/qlog"
	"github.com/quic-go/quic-go/qlogwriter"
)

// The cases of the public QUIC interop runner (https://interop.seemann.io) that are a
// server's: by aioquic, which shares no line with the server, and where the path is
// what makes the case by quic-go's client, too.

// interopCase and interopOutcome are what clients/interop.py reads and writes.
type interopCase struct {
	Paths       []string `json:"paths"`
	Cipher      string   `json:"cipher,omitempty"`
	Version     int      `json:"version,omitempty"`
	KeyUpdate   bool     `json:"key_update,omitempty"`
	Again       string   `json:"again,omitempty"`
	Connections int      `json:"connections,omitempty"`
	Ping        float64  `json:"ping,omitempty"` // seconds
}

type interopOutcome struct {
	Files   [][3]any `json:"files"`
	Cipher  string   `json:"cipher"`
	Version int      `json:"version"`
	Retried int      `json:"retried"`
	Resumed bool     `json:"resumed"`
	Early   bool     `json:"early"`
	// KeyPhases are those behind each of the first two files.
	KeyPhases []int `json:"key_phases"`
}

// files are what the cases fetch: name to content.
type files map[string][]byte

func (f files) write(t *testing.T) (dir string) {
	t.Helper()
	dir = t.TempDir()
	for name, content := range f {
		if err := os.WriteFile(filepath.Join(dir, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return dir
}

// interop runs one case and compares what was fetched.
func (f files) interop(t *testing.T, s *server, c interopCase) interopOutcome {
	t.Helper()
	names := c.Paths
	c.Paths = nil
	for _, name := range names {
		c.Paths = append(c.Paths, "/f/"+name)
	}
	got := runAioquic[interopOutcome](t, s, "interop.py", 1, c)[0]
	times := max(c.Connections, 1)
	if c.Again != "" {
		times++
	}
	equal(t, "files", len(got.Files), times*len(names))
	for i, file := range got.Files {
		want := f[names[i%len(names)]]
		if file != [3]any{200.0, float64(len(want)), digest(want)} {
			t.Fatalf("%s: got %v, want %d bytes", names[i%len(names)], file, len(want))
		}
	}
	return got
}

// fetch gets files by quic-go's client, on one connection.
func (f files) fetch(t *testing.T, s *server, names ...string) {
	t.Helper()
	c := s.over(t, "h3")
	for _, name := range names {
		if body := c.get("/f/"+name).want(t, 200); digest([]byte(body)) != digest(f[name]) {
			t.Errorf("%s: %d bytes, want %d", name, len(body), len(f[name]))
		}
	}
}

var interopFiles = files{"small": pattern(1 << 10), "1m": pattern(1 << 20), "2m": pattern(2 << 20), "3m": pattern(3 << 20)}

func TestInterop(t *testing.T) {
	t.Parallel()
	all := files{}
	for name, content := range interopFiles {
		all[name] = content
	}
	var many []string
	for i := range 1999 {
		name := fmt.Sprintf("n%d", i)
		many = append(many, name)
		all[name] = fmt.Appendf(nil, "the content of small file %d", i)
	}
	s := start(t, "--http-protocols", "h1,h3", "--keep-alive", "1m", "--static", "/f="+all.write(t))
	small := []string{"small"}
	for name, check := range map[string]func(t *testing.T, s *server){
		"handshake": func(t *testing.T, s *server) { all.interop(t, s, interopCase{Paths: small}) },
		"transfer": func(t *testing.T, s *server) {
			all.interop(t, s, interopCase{Paths: []string{"1m", "2m", "3m"}})
		},
		"chacha20": func(t *testing.T, s *server) {
			got := all.interop(t, s, interopCase{Paths: []string{"1m"}, Cipher: "chacha20"})
			equal(t, "cipher", got.Cipher, "CHACHA20_POLY1305_SHA256")
		},
		"v2": func(t *testing.T, s *server) {
			got := all.interop(t, s, interopCase{Paths: small, Version: 2})
			equal(t, "version", got.Version, 2)
		},
		"keyupdate": func(t *testing.T, s *server) {
			// Small files, since the server changes its keys by itself when it has sent more.
			got := all.interop(t, s, interopCase{Paths: []string{"small", "small", "1m"}, KeyUpdate: true})
			equal(t, "key phases", fmt.Sprint(got.KeyPhases), "[0 1]")
		},
		"resumption": func(t *testing.T, s *server) {
			got := all.interop(t, s, interopCase{Paths: small, Again: "resumption"})
			equal(t, "resumed", got.Resumed, true)
		},
		"zerortt": func(t *testing.T, s *server) {
			got := all.interop(t, s, interopCase{Paths: []string{"small", "1m"}, Again: "early"})
			equal(t, "early data", got.Early, true)
		},
		"multiplexing": func(t *testing.T, s *server) { all.interop(t, s, interopCase{Paths: many}) },
	} {
		t.Run(name, func(t *testing.T) { check(t, s.in(t)) })
	}
}

// TestInteropRetry: a client whose address holds half of the connections that it may
// have is to prove it.
func TestInteropRetry(t *testing.T) {
	t.Parallel()
	s := start(t, "--http-protocols", "h1,h3", "--keep-alive", "1m", "--static", "/f="+interopFiles.write(t),
		"--max-connections-per-address", "4", "--forwarded-allow-ips", "192.0.2.1") // a proxy would be exempt
	equal(t, "before", interopFiles.interop(t, s, interopCase{Paths: []string{"small"}}).Retried, 0)
	for range 2 {
		s.over(t, "h3").get("/f/small").want(t, 200) // and stays
	}
	equal(t, "now", interopFiles.interop(t, s, interopCase{Paths: []string{"1m"}}).Retried, 1)
}

// TestInteropPaths: paths that are long, lose, damage and interrupt.
func TestInteropPaths(t *testing.T) {
	t.Parallel()
	s := start(t, "--http-protocols", "h1,h3", "--keep-alive", "1m", "--static", "/f="+interopFiles.write(t))
	for name, test := range map[string]struct {
		make func(p *udpPath)
		interopCase
	}{
		"longrtt":             {func(p *udpPath) { p.delay = 150 * time.Millisecond }, interopCase{Paths: []string{"small", "2m"}}},
		"handshakeloss":       {func(p *udpPath) { p.fate = lossy(0.3, 0) }, interopCase{Paths: []string{"small"}, Connections: 5}},
		"transferloss":        {func(p *udpPath) { p.fate = lossy(0.02, 0) }, interopCase{Paths: []string{"2m"}}},
		"handshakecorruption": {func(p *udpPath) { p.fate = lossy(0, 0.3) }, interopCase{Paths: []string{"small"}, Connections: 5}},
		"transfercorruption":  {func(p *udpPath) { p.fate = lossy(0, 0.02) }, interopCase{Paths: []string{"2m"}}},
		"blackhole":           {blackhole, interopCase{Paths: []string{"2m"}}},
		"rebind-port":         {rebinding, interopCase{Paths: []string{"2m", "1m"}, Ping: 0.2}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			t.Run("aioquic", func(t *testing.T) {
				p := newUDPPath(t, s)
				p.set(test.make)
				interopFiles.interop(t, p.of(s), test.interopCase)
			})
			t.Run("quic-go", func(t *testing.T) {
				p := newUDPPath(t, s)
				p.set(test.make)
				for range max(test.Connections, 1) {
					interopFiles.fetch(t, p.of(s), test.Paths...)
				}
			})
		})
	}
}

// blackhole interrupts a transfer for a while.
func blackhole(p *udpPath) {
	var until time.Time
	p.fate = func(up bool, n int, _ []byte) bool {
		if !up && n == 100 {
			until = time.Now().Add(time.Second)
		}
		return time.Now().After(until)
	}
}

// rebinding changes the client's port within a transfer, more than once: with a datagram
// of the client's, since that is how the server comes to know. All that the server then
// sends to the port before is lost, and it follows to the new one only when that is proved
// and the client has used it (RFC 9000 section 9.3): a client has to give signs meanwhile,
// as browsers and quic-go's do, and as aioquic does if it is told to.
func rebinding(p *udpPath) {
	p.fate = func(up bool, n int, _ []byte) bool {
		if up && n%50 == 40 {
			p.rebind()
		}
		return true
	}
}

// TestInteropECN: the server marks its packets as those of a transport that knows of
// congestion marks, and counts those that come (RFC 9000 section 13.4).
func TestInteropECN(t *testing.T) {
	t.Parallel()
	s := start(t, "--http-protocols", "h1,h3")
	seen := new(ecnTrace)
	transport := &http3.Transport{
		TLSClientConfig: &tls.Config{InsecureSkipVerify: true},
		QUICConfig:      &quic.Config{Tracer: func(context.Context, bool, quic.ConnectionID) qlogwriter.Trace { return seen }},
	}
	t.Cleanup(func() { _ = transport.Close() })
	c := newClient(t, transport, "https://"+s.addr, "3")
	s.eventually("both sides know of marks", func() bool {
		c.post("/echo", "text/plain", strings.Repeat("x", 100_000)).want(t, 200)
		return seen.capable.Load() && seen.marked.Load()
	})
}

// ecnTrace notes what a client finds out about congestion marks.
type ecnTrace struct{ capable, marked atomic.Bool }

func (e *ecnTrace) AddProducer() qlogwriter.Recorder { return e }
func (e *ecnTrace) Close() error                     { return nil }

func (e *ecnTrace) RecordEvent(event qlogwriter.Event) {
	switch event := event.(type) {
	case qlog.ECNStateUpdated:
		e.capable.Store(event.State == qlog.ECNStateCapable)
	case qlog.PacketReceived:
		if event.ECN == qlog.ECT0 {
			e.marked.Store(true)
		}
	}
}

// TestInteropAmplification: to an address that has not been heard of twice the server
// sends no more than three times what came from it (RFC 9000 section 8.1), also if its
// certificate is larger.
func TestInteropAmplification(t *testing.T) {
	t.Parallel()
	var names []string
	for i := range 200 {
		names = append(names, fmt.Sprintf("one-of-many-names-%d.%s.example", i, strings.Repeat("x", 30)))
	}
	certfile, keyfile := newAuthority(t).server("localhost", names...)
	s := start(t, "--certfile", certfile, "--keyfile", keyfile)
	p := newUDPPath(t, s)
	p.set(func(p *udpPath) { p.fate = func(up bool, n int, _ []byte) bool { return !up || n == 0 } })
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	dial := func() error {
		conn, err := quic.DialAddr(ctx, p.of(s).addr, &tls.Config{InsecureSkipVerify: true, NextProtos: []string{http3.NextProtoH3}},
			&quic.Config{HandshakeIdleTimeout: time.Second})
		if err == nil {
			_ = conn.CloseWithError(0, "")
		}
		return err
	}
	if err := dial(); err == nil {
		t.Error("connected by one datagram")
	}
	if down, up := p.counted(); down == 0 || down > 3*up {
		t.Errorf("%d bytes came, %d were sent", up, down)
	}
	p.set(func(p *udpPath) { p.fate = func(bool, int, []byte) bool { return true } })
	if err := dial(); err != nil {
		t.Error(err)
	}
}
