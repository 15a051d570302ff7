package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/status"
)

func TestBanner(t *testing.T) {
	engine, err := loop.New(loop.Config{Loops: 3, Adaptive: true})
	if err != nil {
		t.Fatal(err)
	}
	defer engine.Close()
	s := &server{logs: &logs{color: true}, engine: engine, cfg: &config.Config{Protocols: []string{"https"}}}
	about := description{
		Application: status.Application{Name: "app:app", Interface: "wsgi", Model: "sync"},
		Why:         "a WSGI application runs under sync", Runtime: "CPython 3.11.7", Workers: 2,
	}
	want := fmt.Sprintf("\n  \x1b[1;36masteri-loop\x1b[0m %s  pid %d\n\n\n", version, os.Getpid()) +
		"  app:app under sync (a WSGI application runs under sync), CPython 3.11.7, 2 workers\n" +
		"  1 event loop, up to 3 as the load needs\n\n"
	if got := s.banner([]description{about}); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	s.logs.color = false
	if got := s.banner([]description{about}); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}
