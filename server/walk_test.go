package server_test

import (
	"path"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/server"
)

// The page that walks newcomers through the code names each file on the way from the
// poller to a handler, in the order in which one calls the other.
func TestWalksAreTheWayOfRequests(t *testing.T) {
	stacks := make(chan []string, 1)
	srv := start(t, server.Config{App: server.App{Handler: asteri.HandlerFunc(func(x asteri.Exchange) {
		stacks <- callersInModule()
		text("hello").ServeExchange(x)
	})}})
	for version, heading := range map[string]string{
		"h1": "A GET over HTTP/1.1 to a Go handler",
		"h2": "A GET over HTTP/2 to a WSGI application", // up to the pool's ServeExchange
	} {
		get(t, client(t, version), url(srv, "http", "/"))
		way := filesOnPage(t, heading)
		if version == "h2" {
			way = append(way, "server/native.go")
		}
		stack, last := <-stacks, -1
		if len(stack) < len(way)/4 {
			t.Errorf("%s: a request goes by %v only", version, stack)
		}
		for _, file := range stack {
			at := indexOf(way, file)
			if at < 0 {
				t.Errorf("%s: a request goes by %s, which is not on the page", version, file)
			} else if at < last {
				t.Errorf("%s: the page names %s too early", version, file)
			} else {
				last = at
			}
		}
	}
}

func indexOf(files []string, file string) int {
	for i, f := range files {
		if f == file {
			return i
		}
	}
	return -1
}

// callersInModule returns the files of who has called, from the outermost to the one
// that called the handler of the test.
func callersInModule() (files []string) {
	const module = "github.com/asteri/asteri-loop/"
	pcs := make([]uintptr, 100)
	frames := runtime.CallersFrames(pcs[:runtime.Callers(2, pcs)])
	for {
		f, more := frames.Next()
		if rest, ours := strings.CutPrefix(f.Function, module); ours && !strings.HasPrefix(rest, "server_test.") {
			// The package's path ends with the first dot behind the last slash.
			dir := rest[:strings.LastIndexByte(rest, '/')+1]
			name, _, _ := strings.Cut(rest[len(dir):], ".")
			file := path.Join(dir, name, filepath.Base(f.File))
			if len(files) == 0 || files[0] != file {
				files = append([]string{file}, files...)
			}
		}
		if !more {
			return files
		}
	}
}

func filesOnPage(t *testing.T, heading string) (files []string) {
	t.Helper()
	_, page, found := strings.Cut(readFile(t, "../docs/architecture.md"), "\n### "+heading+"\n")
	if !found {
		t.Fatalf("no %q", heading)
	}
	page, _, _ = strings.Cut(page, "\n#")
	for _, m := range regexp.MustCompile("`([a-z0-9_/]+\\.go)`").FindAllStringSubmatch(page, -1) {
		if indexOf(files, m[1]) < 0 {
			files = append(files, m[1])
		}
	}
	return files
}
