//go:build linux

package suite

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/http/cookiejar"
	"net/http/httptrace"
	"net/textproto"
	"strings"
	"syscall"
	"testing"

	"github.com/quic-go/quic-go/http3"
)

// client is a browser-like client of one server: it keeps connections and
// cookies, and follows no redirect by itself.
type client struct {
	t    testing.TB
	http *http.Client
	base string

	version string // of HTTP, as applications see it
}

// answer is a response that was read to its end.
type answer struct {
	*http.Response
	body string
}

// over returns a new client that speaks scheme: http or https in HTTP/1.1, h2 or h2c
// for HTTP/2 with TLS or without, or h3.
func (s *server) over(t testing.TB, scheme string) *client {
	t.Helper()
	if scheme == "h3" {
		transport := &http3.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, DisableCompression: true}
		t.Cleanup(func() { _ = transport.Close() })
		return newClient(t, transport, "https://"+s.addr, "3")
	}
	var protocols http.Protocols
	version := "2"
	switch scheme {
	case "h2":
		scheme = "https"
		protocols.SetHTTP2(true)
	case "h2c":
		scheme = "http"
		protocols.SetUnencryptedHTTP2(true)
	default:
		version = "1.1"
		protocols.SetHTTP1(true)
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(s.addr, "/") {
				network, addr = "unix", s.addr
			}
			return new(net.Dialer).DialContext(ctx, network, addr)
		},
		TLSClientConfig:     &tls.Config{InsecureSkipVerify: true}, // the certificate made at start
		Protocols:           &protocols,
		DisableCompression:  true,
		MaxIdleConnsPerHost: 100,
		TLSHandshakeTimeout: patience,
	}
	t.Cleanup(transport.CloseIdleConnections)
	host := s.addr
	if strings.HasPrefix(host, "/") {
		host = "localhost"
	}
	return newClient(t, transport, scheme+"://"+host, version)
}

func newClient(t testing.TB, transport http.RoundTripper, base, version string) *client {
	t.Helper()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	return &client{t: t, base: base, version: version, http: &http.Client{
		Transport: transport, Jar: jar, Timeout: 2 * patience,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// request makes a request; headers are given as "Name: value".
func (c *client) request(method, path string, body io.Reader, headers ...string) *http.Request {
	c.t.Helper()
	r, err := http.NewRequest(method, c.base+path, body)
	if err != nil {
		c.t.Fatal(err)
	}
	for _, h := range headers {
		name, value, _ := strings.Cut(h, ": ")
		if name == "Host" {
			r.Host = value // where net/http looks for it
			continue
		}
		r.Header.Add(name, value)
	}
	return r
}

// try sends a request and reads the answer to its end.
func (c *client) try(r *http.Request) (answer, error) {
	response, err := c.http.Do(r)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response, string(body)}, err
}

// do is try for requests that must be answered.
func (c *client) do(method, path string, body io.Reader, headers ...string) answer {
	c.t.Helper()
	a, err := c.try(c.request(method, path, body, headers...))
	if err != nil {
		c.t.Fatalf("%s %s: %v", method, path, err)
	}
	return a
}

func (c *client) get(path string, headers ...string) answer {
	c.t.Helper()
	return c.do("GET", path, nil, headers...)
}

func (c *client) post(path, kind, body string) answer {
	c.t.Helper()
	return c.do("POST", path, strings.NewReader(body), "Content-Type: "+kind)
}

// fails expects that the response is cut off, not cleanly ended, and returns
// what came before the cut.
func (c *client) fails(path string) answer {
	c.t.Helper()
	a, err := c.try(c.request("GET", path, nil))
	if err == nil {
		c.t.Fatalf("GET %s ended cleanly with %s and %d bytes", path, a.Status, len(a.body))
	}
	return a
}

// want checks a status and returns the body.
func (a answer) want(t testing.TB, status int) string {
	t.Helper()
	if a.StatusCode != status {
		t.Fatalf("%sstatus %s, want %d\n%s", a.target(), a.Status, status, a.body)
	}
	return a.body
}

// target says what was asked for; a raw answer does not know.
func (a answer) target() string {
	if a.Request == nil {
		return ""
	}
	return a.Request.Method + " " + a.Request.URL.String() + ": "
}

// decode checks for 2xx and decodes a JSON body.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	if a.StatusCode/100 != 2 {
		t.Fatalf("%sstatus %s\n%s", a.target(), a.Status, a.body)
	}
	var v T
	if err := json.Unmarshal([]byte(a.body), &v); err != nil {
		t.Fatalf("%s%v in %q", a.target(), err, a.body)
	}
	return v
}

// equal compares what was got with what was wanted.
func equal[T comparable](t testing.TB, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// checkEarlyHints wants the links of /hints before its answer.
func checkEarlyHints(t *testing.T, _ *server, c *client) {
	var links []string
	trace := &httptrace.ClientTrace{Got1xxResponse: func(code int, header textproto.MIMEHeader) error {
		equal(t, "interim status", code, http.StatusEarlyHints)
		links = append(links, header.Values("Link")...)
		return nil
	}}
	r := c.request("GET", "/hints", nil)
	a, err := c.try(r.WithContext(httptrace.WithClientTrace(context.Background(), trace)))
	if err != nil {
		t.Fatal(err)
	}
	equal(t, "body", a.want(t, 200), "hinted")
	equal(t, "links", strings.Join(links, "|"), "</style.css>; rel=preload; as=style")
}

// contains checks that text holds all parts.
func contains(t testing.TB, text string, parts ...string) {
	t.Helper()
	for _, part := range parts {
		if !strings.Contains(text, part) {
			t.Errorf("%q is not in:\n%s", part, text)
		}
	}
}

// multipartBody is a form with a title and one file.
func multipartBody(t testing.TB, title, name string, content []byte) (kind, body string) {
	t.Helper()
	var b bytes.Buffer
	form := multipart.NewWriter(&b)
	if err := form.WriteField("title", title); err != nil {
		t.Fatal(err)
	}
	file, err := form.CreateFormFile("file", name)
	if err == nil {
		_, err = file.Write(content)
	}
	if err == nil {
		err = form.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	return form.FormDataContentType(), b.String()
}

// pattern returns n bytes that no shift or repetition of itself equals.
func pattern(n int) []byte {
	b := make([]byte, n)
	state := uint32(2463534242)
	for i := range b {
		state ^= state << 13
		state ^= state >> 17
		state ^= state << 5
		b[i] = byte(state)
	}
	return b
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// exchange sends raw bytes on a new connection and returns all that comes back
// until the server closes it.
func (s *server) exchange(raw string) string {
	s.t.Helper()
	c := s.dial()
	// A reset after the answer is a legal end of a refused request, whose rest
	// need not be taken.
	if _, err := io.WriteString(c, raw); err != nil && !errors.Is(err, syscall.EPIPE) && !errors.Is(err, syscall.ECONNRESET) {
		s.t.Fatal(err)
	}
	reply, _ := io.ReadAll(c)
	return string(reply)
}

// statusOf reads the status line of a raw reply.
func statusOf(t testing.TB, reply string) int {
	t.Helper()
	response, err := http.ReadResponse(bufio.NewReader(strings.NewReader(reply)), nil)
	if err != nil {
		t.Fatalf("not a response: %v\n%q", err, reply)
	}
	response.Body.Close()
	return response.StatusCode
}

// reset closes a connection so that the server gets a reset: nobody reads on.
func reset(t testing.TB, c net.Conn) {
	t.Helper()
	if err := c.(*net.TCPConn).SetLinger(0); err != nil {
		t.Fatal(err)
	}
	c.Close()
}

// quietly checks that the server's descriptors return to what they were before
// the test's connections, once these are closed.
func (s *server) quietly(before int) {
	s.t.Helper()
	s.eventually(fmt.Sprintf("the server holds %d descriptors again", before), func() bool {
		return descriptors(s.t, s.pid) <= before
	})
}

// rawGet sends a request target as it is, which net/url would refuse, and
// returns the body.
func rawGet(t testing.TB, s *server, c *client, target string) string {
	t.Helper()
	conn := s.dial()
	if strings.HasPrefix(c.base, "https") {
		conn = tls.Client(conn, &tls.Config{InsecureSkipVerify: true})
	}
	if _, err := io.WriteString(conn, "GET "+target+" HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	response, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatalf("%s: %v", target, err)
	}
	return string(body)
}

func unhex(t testing.TB, text string) []byte {
	t.Helper()
	b, err := hex.DecodeString(text)
	if err != nil {
		t.Fatalf("%v in %q", err, text)
	}
	return b
}
