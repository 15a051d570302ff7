package nethttp_test

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
)

// patience is how long a test waits for what must happen.
const patience = 10 * time.Second

// each runs test under every model, and looks at what it leaves behind.
func each(t *testing.T, test func(t *testing.T, model string)) {
	for model := range models {
		t.Run(model, func(t *testing.T) {
			leakcheck.Check(t)
			test(t, model)
		})
	}
}

// dial connects, sends text and returns the connection and what reads from it.
func dial(t *testing.T, addr, text string) (*net.TCPConn, *bufio.Reader) {
	t.Helper()
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(conn, text); err != nil {
		t.Fatal(err)
	}
	return conn.(*net.TCPConn), bufio.NewReader(conn)
}

func response(t *testing.T, r *bufio.Reader) *http.Response {
	t.Helper()
	res, err := http.ReadResponse(r, nil)
	if err != nil {
		t.Fatal(err)
	}
	return res
}

const upgradeRequest = "GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: echo\r\n\r\n"

// echoUntilEOF sends a connection's bytes back after a greeting.
func echoUntilEOF(conn net.Conn, r io.Reader) {
	defer conn.Close()
	_, _ = io.WriteString(conn, "hi ")
	_, _ = io.Copy(conn, r)
}

func TestHijackUpgrades(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		for name, h := range map[string]http.HandlerFunc{
			"head written by the hijacker": func(w http.ResponseWriter, _ *http.Request) {
				conn, rw, err := http.NewResponseController(w).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				_ = conn.SetDeadline(time.Time{})
				_, _ = rw.WriteString("HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\nX-Own: 1\r\n\r\n")
				_ = rw.Flush()
				go echoUntilEOF(conn, rw) // lives longer than the handler
			},
			"head written by WriteHeader": func(w http.ResponseWriter, _ *http.Request) {
				w.Header().Set("Upgrade", "echo")
				w.Header().Set("Connection", "Upgrade")
				w.Header().Set("X-Own", "1")
				w.WriteHeader(101)
				conn, rw, err := w.(http.Hijacker).Hijack()
				if err != nil {
					t.Error(err)
					return
				}
				if _, err := w.Write([]byte("x")); !errors.Is(err, http.ErrHijacked) {
					t.Error(err)
				}
				echoUntilEOF(conn, rw)
			},
		} {
			t.Run(name, func(t *testing.T) {
				conn, r := dial(t, serve(t, model, h), upgradeRequest)
				res := response(t, r)
				if res.StatusCode != 101 || res.Header.Get("Upgrade") != "echo" || res.Header.Get("X-Own") != "1" {
					t.Errorf("got %v", res)
				}
				for range 3 {
					if _, err := conn.Write(bytes.Repeat([]byte("ping"), 10000)); err != nil {
						t.Fatal(err)
					}
				}
				_ = conn.CloseWrite()
				got, err := io.ReadAll(r)
				if err != nil || string(got) != "hi "+strings.Repeat("ping", 30000) {
					t.Errorf("%d bytes came back, %v", len(got), err)
				}
			})
		}
	})
}

func TestHijackWithoutUpgrade(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer conn.Close()
			if r.URL.Path == "/silent" {
				return
			}
			_, _ = rw.WriteString("HTTP/1.0 202 Accepted\r\nContent-Type: text/x\r\n\r\nfrom ")
			_, _ = rw.WriteString("the hijacker")
			_ = rw.Flush()
		}))
		_, r := dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\nGET /silent HTTP/1.1\r\nHost: x\r\n\r\n")
		res := response(t, r)
		body, err := io.ReadAll(res.Body)
		if res.StatusCode != 202 || res.Header.Get("Content-Type") != "text/x" || string(body) != "from the hijacker" || err != nil {
			t.Errorf("got %v %q %v", res, body, err)
		}
		if res := response(t, r); res.StatusCode != 500 {
			t.Errorf("closed without a response: got %d", res.StatusCode)
		}
	})
}

// A reverse proxy is a demanding handler: it upgrades, streams, informs and
// copies trailers.
func TestReverseProxy(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		backend := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Upgrade") == "" {
				w.Header().Set("Trailer", "Sum")
				body, _ := io.ReadAll(r.Body) // net/http may not read and write at the same time
				_, _ = w.Write(body)
				w.Header().Set("Sum", "42")
				return
			}
			conn, rw, err := http.NewResponseController(w).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			_, _ = io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: echo\r\nConnection: Upgrade\r\n\r\n")
			echoUntilEOF(conn, rw)
		}))
		defer backend.Close()
		target, _ := url.Parse(backend.URL)
		addr := serve(t, model, &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(target) }})

		conn, r := dial(t, addr, upgradeRequest)
		if res := response(t, r); res.StatusCode != 101 {
			t.Fatalf("got %v", res)
		}
		_, _ = io.WriteString(conn, "ping")
		_ = conn.CloseWrite()
		if got, err := io.ReadAll(r); string(got) != "hi ping" {
			t.Errorf("got %q %v", got, err)
		}

		body := strings.Repeat("0123456789abcdef", 1<<14)
		res, err := http.Post("http://"+addr, "text/plain", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if string(got) != body || err != nil || res.Trailer.Get("Sum") != "42" {
			t.Errorf("%d bytes came back, %v, trailer %v", len(got), err, res.Trailer)
		}
	})
}

func TestContextEndsWithTheClient(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		running, cause := make(chan bool, 1), make(chan error, 1)
		addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			gone := w.(http.CloseNotifier).CloseNotify() //nolint:staticcheck // wrappers still demand it
			running <- true
			select {
			case <-r.Context().Done():
				<-gone
				cause <- context.Cause(r.Context())
			case <-time.After(patience):
				cause <- errors.New("never ended")
			}
		}))
		conn, _ := dial(t, addr, "GET / HTTP/1.1\r\nHost: x\r\n\r\n")
		<-running
		conn.Close()
		if err := <-cause; err == nil || err.Error() == "never ended" {
			t.Error(err)
		}
	})
}

func TestContinueIsSentByReading(t *testing.T) {
	for _, model := range []string{"gevent", "asgi", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			read := make(chan bool)
			addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				<-read
				_, _ = io.Copy(w, r.Body)
			}))
			conn, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
			_ = conn.SetReadDeadline(time.Now().Add(20 * time.Millisecond))
			if b, err := r.Peek(1); err == nil {
				t.Fatalf("sent %q before the handler read", b)
			}
			_ = conn.SetReadDeadline(time.Now().Add(patience))
			close(read)
			if res := response(t, r); res.StatusCode != 100 {
				t.Fatalf("got %v", res)
			}
			_, _ = io.WriteString(conn, "ok")
			if body, err := io.ReadAll(response(t, r).Body); string(body) != "ok" {
				t.Errorf("got %q %v", body, err)
			}
		})
	}
}

func TestRequestTrailer(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			announced, ok := r.Trailer["Sum"]
			body, err := io.ReadAll(r.Body)
			fmt.Fprint(w, announced, ok, string(body), err, r.Trailer, r.Header["Trailer"])
		}))
		_, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\nTrailer: sum\r\n\r\n3\r\nabc\r\n0\r\nSum: 6\r\n\r\n")
		body, _ := io.ReadAll(response(t, r).Body)
		if want := "[] trueabc<nil> map[Sum:[6]] []"; string(body) != want {
			t.Errorf("got %q, want %q", body, want)
		}
	})
}

func TestPanicBeforeTheResponse(t *testing.T) {
	each(t, func(t *testing.T, model string) {
		for _, v := range []any{"boom", http.ErrAbortHandler} {
			addr := serve(t, model, http.HandlerFunc(func(http.ResponseWriter, *http.Request) { panic(v) }))
			res, err := http.Get("http://" + addr)
			if err != nil {
				t.Fatal(err)
			}
			body, _ := io.ReadAll(res.Body)
			res.Body.Close()
			if res.StatusCode != 500 || bytes.Contains(body, []byte("boom")) {
				t.Errorf("got %d %q", res.StatusCode, body)
			}
		}
	})
}

func TestFullDuplex(t *testing.T) {
	for _, model := range []string{"gevent", "asgi", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				if err := rc.EnableFullDuplex(); err != nil {
					t.Error(err)
				}
				for lines := bufio.NewScanner(r.Body); lines.Scan(); {
					fmt.Fprintf(w, "you said %s\n", lines.Text())
					if err := rc.Flush(); err != nil {
						t.Error(err)
					}
				}
			}))
			pr, pw := io.Pipe()
			req, _ := http.NewRequest("POST", "http://"+addr, pr)
			go func() { _, _ = io.WriteString(pw, "one\n") }()
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			lines := bufio.NewScanner(res.Body)
			for _, word := range []string{"one", "two", "three"} {
				if !lines.Scan() || lines.Text() != "you said "+word {
					t.Fatalf("got %q", lines.Text())
				}
				if next := map[string]string{"one": "two\n", "two": "three\n"}[word]; next != "" {
					_, _ = io.WriteString(pw, next)
				}
			}
			pw.Close()
			if lines.Scan() {
				t.Errorf("more: %q", lines.Text())
			}
		})
	}
}

func TestDeadlines(t *testing.T) {
	for _, model := range []string{"gevent", "asgi", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				rc := http.NewResponseController(w)
				if err := rc.SetReadDeadline(time.Now().Add(time.Millisecond)); err != nil {
					t.Error(err)
				}
				_, err := r.Body.Read(make([]byte, 1))
				fmt.Fprint(w, errors.Is(err, os.ErrDeadlineExceeded))
			}))
			_, r := dial(t, addr, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n")
			if body, _ := io.ReadAll(response(t, r).Body); string(body) != "true" {
				t.Errorf("got %q", body)
			}
		})
	}
}

func TestFileServer(t *testing.T) {
	dir := t.TempDir()
	content := bytes.Repeat([]byte("0123456789abcdef"), 1<<16)
	if err := os.WriteFile(filepath.Join(dir, "large.bin"), content, 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, model string) {
		addr := serve(t, model, http.FileServer(http.Dir(dir)))
		get := func(rangeOf string) *http.Response {
			req, _ := http.NewRequest("GET", "http://"+addr+"/large.bin", nil)
			if rangeOf != "" {
				req.Header.Set("Range", rangeOf)
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { res.Body.Close() })
			return res
		}
		res := get("")
		if got, err := io.ReadAll(res.Body); !bytes.Equal(got, content) || res.ContentLength != int64(len(content)) {
			t.Errorf("%d bytes of %d, %v", len(got), len(content), err)
		}
		res = get("bytes=100-200099")
		if got, err := io.ReadAll(res.Body); res.StatusCode != 206 || !bytes.Equal(got, content[100:200100]) {
			t.Errorf("%d: %d bytes, %v", res.StatusCode, len(got), err)
		}
		res = get("bytes=0-9,1000000-1000009") // in parts
		if got, err := io.ReadAll(res.Body); res.StatusCode != 206 || bytes.Count(got, content[:10]) != 2 {
			t.Errorf("%d: %q, %v", res.StatusCode, got, err)
		}
	})
}

// Both what comes before a file and what comes after it must stay in order.
func TestReadFromKeepsOrder(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	content := strings.Repeat("x", 1<<17)
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
	each(t, func(t *testing.T, model string) {
		addr := serve(t, model, http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			f, err := os.Open(path)
			if err != nil {
				t.Error(err)
				return
			}
			defer f.Close()
			_, _ = io.WriteString(w, "before ")
			if n, err := io.Copy(w, io.LimitReader(f, 1<<16)); n != 1<<16 || err != nil {
				t.Errorf("copied %d, %v", n, err)
			}
			_, _ = io.WriteString(w, " between ")
			if n, err := io.Copy(w, f); n != 1<<16 || err != nil {
				t.Errorf("copied the rest, %d, %v", n, err)
			}
			_, _ = io.WriteString(w, " after")
		}))
		res, err := http.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		got, err := io.ReadAll(res.Body)
		if want := "before " + content[:1<<16] + " between " + content[1<<16:] + " after"; string(got) != want || err != nil {
			t.Errorf("%d bytes, want %d, %v", len(got), len(want), err)
		}
	})
}
