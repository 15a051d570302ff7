package main

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/asteri/asteri-loop/bench/testbed"
)

// What is measured is the first answer of the new code, and answers that fail until then are counted.
func TestWatcher(t *testing.T) {
	var asked atomic.Int32
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		switch asked.Add(1) {
		case 1:
			_, _ = w.Write([]byte("old"))
		case 2, 3:
			w.WriteHeader(http.StatusBadGateway)
		default:
			_, _ = w.Write([]byte("new"))
		}
	}))
	defer s.Close()
	w := watcher{url: s.URL}
	if err := w.await(context.Background(), "new"); err != nil || w.failed != 2 || asked.Load() != 4 {
		t.Errorf("%v, %d failed, %d asked", err, w.failed, asked.Load())
	}
}

func TestCommand(t *testing.T) {
	o := options{binary: "/bin/asteri", venv: "/venv"}
	for i, want := range map[int]string{
		0: "/bin/asteri dev --reload-browser off -b 127.0.0.1:80 app:app --python /venv",
		2: "/venv/bin/gunicorn --reload -b 127.0.0.1:80 app:app",
	} {
		if got := strings.Join(o.command(servers[i].argv, "80"), " "); got != want {
			t.Errorf("%s", got)
		}
	}
	if !testbed.Wanted("gunicorn --reload", "asteri,gunicorn") || testbed.Wanted("granian", "asteri") || !testbed.Wanted("granian", "") {
		t.Error("servers are chosen wrongly")
	}
}
