package python

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

const large = 64 << 20

// pattern is the content of large bodies: blocks of one byte each.
func pattern() io.Reader { return io.LimitReader(&patternReader{}, large) }

type patternReader struct {
	n    int
	left []byte
}

func (r *patternReader) Read(p []byte) (int, error) {
	if len(r.left) == 0 {
		r.left = bytes.Repeat([]byte{byte(r.n % 251)}, 65536)
		r.n++
	}
	n := copy(p, r.left)
	r.left = r.left[n:]
	return n, nil
}

func patternSum() string {
	h := sha256.New()
	io.Copy(h, pattern())
	return fmt.Sprintf("%x", h.Sum(nil))
}

// Large bodies pass both ways, whole, while the server's memory stays small.
func TestLargeBodies(t *testing.T) {
	sum := patternSum()
	for name, source := range map[string]string{"wsgi": wsgiApp, "asgi": asgiApp} {
		t.Run(name, func(t *testing.T) {
			s := serveApp(t, source, Config{})
			before := residentMemory(t)
			if name == "wsgi" {
				s.expect(s.do("POST", "/digest", pattern()), 200, fmt.Sprintf("%d %s", large, sum))
			} else {
				s.expect(s.do("POST", "/count", pattern()), 200, strconv.Itoa(large))
			}
			resp, err := s.http.Get("http://" + s.addr + "/large?1024")
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			h := sha256.New()
			n, err := io.Copy(h, resp.Body)
			if err != nil || n != large || fmt.Sprintf("%x", h.Sum(nil)) != sum {
				t.Errorf("got %d bytes, %v", n, err)
			}
			if grown := residentMemory(t) - before; grown > 32<<20 {
				t.Errorf("memory has grown by %d MiB", grown>>20)
			}
		})
	}
}

// residentMemory returns the bytes of this process that are in memory.
func residentMemory(t *testing.T) int {
	t.Helper()
	out, err := exec.Command("ps", "-o", "rss=", "-p", strconv.Itoa(os.Getpid())).Output()
	if err != nil {
		t.Fatal(err)
	}
	kib, err := strconv.Atoi(strings.TrimSpace(string(out)))
	if err != nil {
		t.Fatal(err)
	}
	return kib << 10
}
