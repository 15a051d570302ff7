package server_test

import (
	"context"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/ctl"
	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/server"
)

// ordered sends a request to a control socket, and returns the result or the complaint.
func ordered(t *testing.T, path string, r ctl.Request) string {
	t.Helper()
	got, err := ctl.Ask(path, r, patience)
	if err != nil {
		t.Fatal(err)
	}
	if got.Error != nil {
		return string(got.Error.Code) + ": " + got.Error.Message
	}
	return string(got.Result)
}

// An embedder gets the control socket by its setting alone: Run ends when it is told to.
func TestControlSocketOfAnEmbedder(t *testing.T) {
	for _, command := range []string{"stop", "drain"} {
		leakcheck.Check(t)
		path := filepath.Join(t.TempDir(), "c.sock")
		level := new(slog.LevelVar)
		srv, err := server.New(server.Config{
			App: server.App{Handler: text("hello")}, Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}},
			Control: server.Control{Socket: path}, Status: server.Status{Off: true},
			Logs: server.Logs{Logger: slog.New(slog.DiscardHandler), Level: level},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := srv.Start(); err != nil {
			t.Fatal(err)
		}
		if err := srv.Ready(bounded(t)); err != nil {
			t.Fatal(err)
		}
		if got := ordered(t, path, ctl.Request{Command: "status"}); !strings.Contains(got, `"ready":true`) || !strings.Contains(got, `"access":"full"`) {
			t.Errorf("status: %s", got)
		}
		for request, want := range map[ctl.Request]string{
			{Command: "reload"}:                        "{}",
			{Command: "reload", App: "/"}:              "{}",
			{Command: "reload", App: "/x"}:             `refused: no application is called "/x"; there are /`,
			{Command: "add-worker"}:                    "refused: there are no worker processes to scale",
			{Command: "log-level", Level: "ERROR"}:     `{"level":"error"}`,
			{Command: "log-level", Level: "deafening"}: `refused: no such log level: "deafening"; there are debug, info, warning, error and critical`,
		} {
			if got := ordered(t, path, request); got != want {
				t.Errorf("%+v: %s, want %s", request, got, want)
			}
		}
		if level.Level() != slog.LevelError {
			t.Errorf("the level is %v", level.Level())
		}
		if got := get(t, client(t, "h1"), url(srv, "http", "/readyz")); got.text != "hello" {
			t.Errorf("with Status.Off the handler does not get /readyz: %s", got.text)
		}
		if err := srv.Close(); err != nil {
			t.Error(err)
		}

		running, err := server.New(server.Config{
			App: server.App{Handler: text("hello")}, Listen: server.Listen{Addresses: []string{"127.0.0.1:0"}},
			Control: server.Control{Socket: path}, Logs: server.Logs{Logger: slog.New(slog.DiscardHandler)},
		})
		if err != nil {
			t.Fatal(err)
		}
		ended := make(chan error, 1)
		go func() { ended <- running.Run(context.Background()) }()
		for ctx := bounded(t); ctx.Err() == nil; {
			if got, err := ctl.Ask(path, ctl.Request{Command: "status"}, patience); err == nil && got.OK && strings.Contains(string(got.Result), `"ready":true`) {
				break
			}
		}
		if got := ordered(t, path, ctl.Request{Command: command}); got != "{}" {
			t.Errorf("%s: %s", command, got)
		}
		select {
		case err := <-ended:
			if err != nil {
				t.Error(err)
			}
		case <-bounded(t).Done():
			t.Fatalf("%s: Run does not end", command)
		}
	}
}

// A server that withdraws is not ready, and serves.
func TestWithdraw(t *testing.T) {
	srv := start(t, server.Config{App: server.App{Handler: text("hello")}, DrainDelay: 1 << 40})
	ctx, cancel := context.WithCancel(bounded(t))
	done := make(chan struct{})
	go func() { defer close(done); srv.Withdraw(ctx) }()
	for get(t, client(t, "h1"), url(srv, "http", "/readyz")).StatusCode != http.StatusServiceUnavailable {
		continue
	}
	if got := get(t, client(t, "h2"), url(srv, "http", "/")); got.text != "hello" {
		t.Errorf("%d %s", got.StatusCode, got.text)
	}
	select {
	case <-done:
		t.Error("the delay is over")
	default:
	}
	cancel()
	<-done
}
