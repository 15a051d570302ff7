//go:build linux

package suite

import (
	"bytes"
	"encoding/json"
	"math/rand/v2"
	"net"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
)

// h3Request and h3Answer are what clients/h3client.py reads and writes.
type h3Request struct {
	Method  string      `json:"method"`
	Path    string      `json:"path"`
	Size    int         `json:"size,omitempty"`
	Step    int         `json:"step,omitempty"`
	Headers [][2]string `json:"headers,omitempty"`
	Then    []string    `json:"then,omitempty"`
	// Messages make it a WebSocket.
	Messages []string `json:"messages,omitempty"`
}

type h3Answer struct {
	Status   int           `json:"status"`
	Headers  [][2]string   `json:"headers"`
	Interim  [][][2]string `json:"interim"`
	Size     int           `json:"size"`
	Digest   string        `json:"digest"`
	Trailers [][2]string   `json:"trailers"`
	Messages []string      `json:"messages"`
	Code     int           `json:"code"`
}

// aioquic asks a server by a client that shares no line with it, all requests at a
// time on one connection.
func aioquic(t *testing.T, s *server, requests ...h3Request) []h3Answer {
	t.Helper()
	return runAioquic[h3Answer](t, s, "h3client.py", len(requests), requests...)
}

// runAioquic runs one of the programs in clients/ and returns its n answers.
func runAioquic[Answer, Question any](t *testing.T, s *server, program string, n int, questions ...Question) []Answer {
	t.Helper()
	clients := filepath.Join(appsDir, "..", "clients")
	venv := filepath.Join(repository, ".venv", "clients")
	if err := run(repository, "scripts/venv.sh", venv, filepath.Join(clients, "requirements.txt")); err != nil {
		t.Fatal(err)
	}
	host, port, err := net.SplitHostPort(s.addr)
	if err != nil {
		t.Fatal(err)
	}
	var input, output, faults bytes.Buffer
	in := json.NewEncoder(&input)
	for _, q := range questions {
		if err := in.Encode(q); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.CommandContext(t.Context(), filepath.Join(venv, "bin", "python"), "-B", filepath.Join(clients, program), host, port)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = &input, &output, &faults
	if err := cmd.Run(); err != nil {
		t.Fatalf("aioquic: %v\n%s", err, faults.String())
	}
	answers := make([]Answer, n)
	out := json.NewDecoder(&output)
	for i := range answers {
		if err := out.Decode(&answers[i]); err != nil {
			t.Fatalf("answer %d: %v\n%s", i, err, faults.String())
		}
	}
	return answers
}

// h3Content returns the bytes that h3client.py sends.
func h3Content(n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(i % 251)
	}
	return b
}

func field(fields [][2]string, name string) string {
	for _, f := range fields {
		if f[0] == name {
			return f[1]
		}
	}
	return ""
}

// TestAioquicDemonstration asks Go handlers. (HEAD is not asked for: aioquic takes the
// length of the content that HEAD leaves out for a mistake.)
func TestAioquicDemonstration(t *testing.T) {
	t.Parallel()
	const size = 3_000_000
	s := start(t, "--http-protocols", "h1,h3", "--min-body-rate", "0") // byte by byte, and on a busy machine
	answers := aioquic(t, s,
		h3Request{Method: "GET", Path: "/plaintext"},
		h3Request{Method: "POST", Path: "/echo", Size: 100},
		h3Request{Method: "POST", Path: "/echo", Size: size},
		h3Request{Method: "POST", Path: "/echo", Size: 3000, Step: 1},
		h3Request{Method: "POST", Path: "/plaintext", Size: 100_000}, // which nobody reads
		h3Request{Method: "GET", Path: "/bytes/5000000"},
		h3Request{Method: "GET", Path: "/stream"},
		h3Request{Method: "GET", Path: "/nowhere"},
	)
	for i, want := range []h3Answer{
		{Status: 200, Size: 13},
		{Status: 200, Size: 100, Digest: digest(h3Content(100))},
		{Status: 200, Size: size, Digest: digest(h3Content(size))},
		{Status: 200, Size: 3000, Digest: digest(h3Content(3000))},
		{Status: 405, Size: answers[4].Size}, {Status: 200, Size: 5_000_000}, {Status: 200, Size: answers[6].Size}, {Status: 404, Size: answers[7].Size},
	} {
		got := answers[i]
		equal(t, "status", got.Status, want.Status)
		equal(t, "size", got.Size, want.Size)
		if want.Digest != "" {
			equal(t, "digest", got.Digest, want.Digest)
		}
	}
	equal(t, "content-length", field(answers[0].Headers, "content-length"), "13")
	equal(t, "streamed", answers[6].Size > 0, true)
}

// TestAioquicApplication asks an ASGI application.
func TestAioquicApplication(t *testing.T) {
	t.Parallel()
	const size = 1_000_000
	s := start(t, app("asgi_probe:app", "asgi", "--http-protocols", "h1,h3")...)
	answers := aioquic(t, s,
		h3Request{Method: "POST", Path: "/body", Size: size},
		h3Request{Method: "POST", Path: "/early", Size: 30_000},
		h3Request{Method: "GET", Path: "/trailers", Headers: [][2]string{{"te", "trailers"}}},
		h3Request{Method: "GET", Path: "/pid"},
		h3Request{Method: "GET", Path: "/hints"},
		h3Request{Method: "GET", Path: "/events", Then: []string{"/next", "/next"}},
	)
	equal(t, "upload", answers[0].Status, 200)
	equal(t, "digest of the digest", answers[0].Digest, digest([]byte(digest(h3Content(size)))))
	equal(t, "early answer", answers[1].Status, 403)
	equal(t, "trailers", len(answers[2].Trailers) > 0, true)
	equal(t, "the next", answers[3].Status, 200)
	equal(t, "interim responses", len(answers[4].Interim), 1)
	equal(t, "interim status", field(answers[4].Interim[0], ":status"), "103")
	equal(t, "link", field(answers[4].Interim[0], "link"), "</style.css>; rel=preload; as=style")
	equal(t, "behind hints", answers[4].Digest, digest([]byte("hinted")))
	equal(t, "event stream", field(answers[5].Headers, "content-type"), "text/event-stream")
	equal(t, "events", answers[5].Digest, digest([]byte("data: 0\n\ndata: 1\n\ndata: 2\n\n")))
	if text := s.log.text(); strings.Contains(text, "Traceback") {
		t.Error(text)
	}
}

// TestAioquicWebSocket: RFC 9220 by a client that shares no line with the server, beside
// requests on the same connection.
func TestAioquicWebSocket(t *testing.T) {
	t.Parallel()
	s := start(t, app("websocket_app:app", "asgi", "--http-protocols", "h1,h3")...)
	messages := []string{"hello", "", "grüße", strings.Repeat("long ", 5000)}
	answers := aioquic(t, s,
		h3Request{Method: "CONNECT", Path: "/echo", Messages: messages, Headers: [][2]string{{":protocol", "websocket"}, {"sec-websocket-version", "13"}}},
		h3Request{Method: "GET", Path: "/nowhere"},
	)
	equal(t, "status", answers[0].Status, 200)
	equal(t, "messages", strings.Join(answers[0].Messages, "|"), strings.Join(messages, "|"))
	equal(t, "closed with", answers[0].Code, 1000)
	equal(t, "a request", answers[1].Status, 404)
	equal(t, "told", s.over(t, "http").get("/ended").want(t, 200), "1000 ")
}

// freePort returns a port that nobody listens on, as TCP or UDP, and that the system
// gives to nobody by itself: those begin at 32768, on some at 49152.
func freePort(t *testing.T) string {
	t.Helper()
	for range 100 {
		port := strconv.Itoa(20_000 + rand.IntN(10_000))
		addr := net.JoinHostPort("127.0.0.1", port)
		udp, err := net.ListenPacket("udp4", addr)
		if err != nil {
			continue
		}
		tcp, err := net.Listen("tcp4", addr)
		udp.Close()
		if err != nil {
			continue
		}
		tcp.Close()
		return port
	}
	t.Fatal("no port is free")
	return ""
}

// TestHTTP3WithCertificate wants HTTP/3 to be on with a certificate, clients of the other
// protocols to be told of it, and a reload to change the certificate there too.
func TestHTTP3WithCertificate(t *testing.T) {
	t.Parallel()
	equal(t, "with a certificate of its own", start(t).over(t, "https").get("/plaintext").Header.Get("Alt-Svc"), "")

	a := newAuthority(t)
	certfile, keyfile := a.server("localhost")
	port := freePort(t)
	s := start(t, "-l", "127.0.0.1:"+port, "--certfile", certfile, "--keyfile", keyfile)
	contains(t, s.log.text(), "HTTP/3 at: udp 127.0.0.1:"+port)
	for _, scheme := range []string{"https", "h2"} {
		equal(t, scheme, s.over(t, scheme).get("/plaintext").Header.Get("Alt-Svc"), `h3=":`+port+`"; ma=86400`)
	}
	serial := func() string {
		a := s.over(t, "h3").get("/plaintext")
		equal(t, "protocol", a.Proto, "HTTP/3.0")
		equal(t, "Alt-Svc over HTTP/3", a.Header.Get("Alt-Svc"), "")
		return a.TLS.PeerCertificates[0].SerialNumber.String()
	}
	before := serial()
	a.server("localhost") // in place of the first one
	s.signal(syscall.SIGHUP)
	s.eventually("new connections get the new certificate", func() bool { return serial() != before })

	taken := launchServer(t, launch{args: []string{"-l", "127.0.0.1:" + udpOnly(t), "--certfile", certfile, "--keyfile", keyfile}})
	<-taken.ended
	contains(t, taken.log.text(), "cannot open the UDP port of HTTP/3 (--http-protocols h1,h2 does without)")
}

// udpOnly returns a port whose UDP side is taken until the test ends.
func udpOnly(t *testing.T) string {
	t.Helper()
	port := freePort(t)
	udp, err := net.ListenPacket("udp4", "127.0.0.1:"+port)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { udp.Close() })
	return port
}
