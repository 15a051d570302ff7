//go:build linux

package suite

import (
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// startWith starts a server that may have so many descriptors.
func startWith(t *testing.T, descriptors int, args ...string) *server {
	t.Helper()
	script := fmt.Sprintf(`ulimit -n %d; exec "$0" "$@"`, descriptors)
	s := launchServer(t, launch{binary: "/bin/sh", args: append([]string{"-c", script, binary, "-l", "127.0.0.1:0"}, args...)})
	s.awaitReady()
	return s
}

// flood sends GET requests on so many streams of an HTTP/2 connection whose windows
// are closed, and reads until each has its response's head. fields are name and value
// by turns.
func (s *server) flood(streams int, path func(i int) string, fields ...string) {
	s.t.Helper()
	conn := tls.Client(s.dial(), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"h2"}})
	framer := http2.NewFramer(conn, conn)
	framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
	must := func(err error) {
		s.t.Helper()
		if err != nil {
			s.t.Fatal(err)
		}
	}
	_, err := io.WriteString(conn, http2.ClientPreface)
	must(err)
	must(framer.WriteSettings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 0}))
	var block bytes.Buffer
	enc := hpack.NewEncoder(&block)
	for i := range streams {
		block.Reset()
		all := append([]string{":method", "GET", ":scheme", "https", ":authority", "x", ":path", path(i)}, fields...)
		for j := 0; j < len(all); j += 2 {
			must(enc.WriteField(hpack.HeaderField{Name: all[j], Value: all[j+1]}))
		}
		must(framer.WriteHeaders(http2.HeadersFrameParam{StreamID: uint32(2*i + 1), BlockFragment: block.Bytes(), EndStream: true, EndHeaders: true}))
	}
	for answered := 0; answered < streams; {
		f, err := framer.ReadFrame()
		must(err)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if !f.IsAck() {
				must(framer.WriteSettingsAck())
			}
		case *http2.MetaHeadersFrame:
			answered++
		case *http2.RSTStreamFrame:
			answered++
		}
	}
}

// TestDescriptorsOfFiles: clients that ask for files, in many parts, and do not read
// do not take the descriptors that new clients need.
func TestDescriptorsOfFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	const size, many = 200_000, 300
	for i := range many {
		if err := os.WriteFile(filepath.Join(dir, fmt.Sprintf("%d.bin", i)), pattern(size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	s := startWith(t, 256, app("wsgi_probe:app", "sync", "--static", "/files="+dir, "--admin-listen", "127.0.0.1:0")...)
	var parts []string
	for i := range 32 {
		parts = append(parts, fmt.Sprintf("%d-%d", 1000*i, 1000*i+9))
	}
	before := descriptors(t, s.pid)
	for range 5 {
		s.flood(100, func(int) string { return "/files/0.bin" }, "range", "bytes="+strings.Join(parts, ","))
	}
	if n := descriptors(t, s.pid) - before; n > 5+4 {
		t.Errorf("500 responses in 32 parts take %d descriptors", n)
	}
	// Different files cannot share one.
	for i := range 3 {
		s.flood(100, func(j int) string { return fmt.Sprintf("/files/%d.bin", 100*i+j) })
	}
	for range 50 {
		s.over(t, "h2").get("/pid").want(t, 200)
		s.over(t, "https").get("/pid").want(t, 200)
	}
	if n := descriptors(t, s.pid); n > 200 {
		t.Errorf("%d of 256 descriptors are open", n)
	}
}

// TestDescriptorsOfSpools: nor do clients that do not read what workers have made.
func TestDescriptorsOfSpools(t *testing.T) {
	t.Parallel()
	s := startWith(t, 256, app("faults:app", "gthread", "--threads", "8")...)
	for range 3 {
		s.flood(100, func(int) string { return "/large?n=1000000" })
	}
	if n := descriptors(t, s.pid); n > 150 {
		t.Errorf("%d of 256 descriptors are open", n)
	}
	for range 50 {
		s.over(t, "h2").get("/pid").want(t, 200)
	}
}
