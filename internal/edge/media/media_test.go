package media

import (
	"mime"
	"strings"
	"testing"
)

func TestByName(t *testing.T) {
	for name, want := range map[string]string{
		"index.html": "text/html; charset=utf-8", "a/b.min.JS": "text/javascript; charset=utf-8",
		"x.tar.gz": "application/gzip", "README": Unknown, "a.unheard": Unknown, ".html": "text/html; charset=utf-8",
		"logo.svg": "image/svg+xml", "dir.css/file": Unknown, "x.": Unknown,
	} {
		if got := ByName(name); got != want {
			t.Errorf("%q is %q, want %q", name, got, want)
		}
	}
}

func TestTypesAreWellFormed(t *testing.T) {
	for ext, value := range byExtension {
		if _, _, err := mime.ParseMediaType(value); err != nil || ext != strings.ToLower(ext) {
			t.Errorf("%s: %q: %v", ext, value, err)
		}
	}
	for name := range plain {
		if name != strings.ToLower(name) {
			t.Errorf("%q is not in lower case", name)
		}
	}
}

func TestCompressible(t *testing.T) {
	for name, want := range map[string]bool{
		"text/html": true, "Text/HTML; charset=UTF-8": true, "text/event-stream": true, "application/json ; x": true,
		"application/vnd.api+json": true, "image/svg+xml": true, "application/wasm": true,
		"image/png": false, "video/mp4": false, "application/zip": false, "font/woff2": false, "": false,
		"application/" + strings.Repeat("x", 100) + "+json": false, "application/octet-stream": false,
	} {
		if got := Compressible([]byte(name)); got != want {
			t.Errorf("%q: %t", name, got)
		}
	}
	p := []byte("application/json; charset=utf-8")
	if n := testing.AllocsPerRun(100, func() { Compressible(p) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}
