package main

import (
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/loop"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
)

func TestBanner(t *testing.T) {
	srv, err := server.New(server.Config{Engine: loop.Config{Loops: 3, Adaptive: true}, Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}}})
	if err != nil {
		t.Fatal(err)
	}
	if err := srv.Start(); err != nil {
		t.Fatal(err)
	}
	defer srv.Close()
	p := &program{logs: &logs{color: true}, server: srv, cfg: &config.Config{Server: server.Config{Listen: server.Listen{Schemes: []string{"http"}}, Status: server.Status{Off: true}}}}
	about := server.Description{
		Application: status.Application{Name: "app:app", Interface: "wsgi", Model: "sync"},
		Why:         "a WSGI application runs under sync", Runtime: "CPython 3.11.7", Workers: 2,
	}
	want := fmt.Sprintf("\n  \x1b[1;36masteri-loop\x1b[0m %s  pid %d\n\n  \x1b[4mhttp://%s\x1b[0m\n\n", version, os.Getpid(), srv.Addrs().Clients[0]) +
		"  app:app under sync (a WSGI application runs under sync), CPython 3.11.7, 2 workers\n" +
		"  1 event loop, up to 3 as the load needs\n\n"
	if got := p.banner([]server.Description{about}); got != want {
		t.Errorf("got %q\nwant %q", got, want)
	}
	p.logs.color = false
	if got := p.banner([]server.Description{about}); strings.Contains(got, "\x1b") {
		t.Errorf("%q", got)
	}
}
