package main

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"

	"github.com/asteri/asteri-loop/bench/peers"
	"github.com/asteri/asteri-loop/bench/testbed"
)

// programs are the folders of bench/ to build: Go peers and clients.
var programs = []string{
	"peers/gnet", "peers/fasthttp", "peers/nethttp", "peers/gws", "peers/nbio", "peers/quicgo",
	"clients/wsload", "clients/h3load",
}

// prepare builds the Go servers and makes a certificate. Everything lasting
// lies in bench/.peers of the module at root; tmp is for this run.
func prepare(ctx context.Context, root, tmp string, o options) (peers.Place, error) {
	kept := filepath.Join(root, "bench", ".peers")
	at := peers.Place{
		Dir:  filepath.Join(root, "bench", "peers"),
		Bin:  filepath.Join(kept, "bin"),
		Venv: filepath.Join(kept, "venv"),
		Tmp:  tmp,
		Cert: filepath.Join(tmp, "cert.pem"),
		Key:  filepath.Join(tmp, "key.pem"),
	}
	if err := os.MkdirAll(at.Bin, 0o755); err != nil {
		return at, err
	}
	for _, name := range programs {
		if err := testbed.Build(ctx, root, "./bench/"+name, filepath.Join(at.Bin, filepath.Base(name))); err != nil {
			return at, err
		}
	}
	if err := testbed.Server(ctx, root, o.binary, filepath.Join(at.Bin, "asteri-loop")); err != nil {
		return at, err
	}
	if o.before != "" {
		if err := os.MkdirAll(earlierBin(at.Bin), 0o755); err != nil {
			return at, err
		}
		if err := testbed.Server(ctx, root, o.before, filepath.Join(earlierBin(at.Bin), "asteri-loop")); err != nil {
			return at, err
		}
	}
	if _, err := os.Stat(filepath.Join(at.Venv, "bin", "python")); err != nil {
		slog.Warn("no Python peers: run bench/deps.sh", "missing", at.Venv)
	}
	return at, testbed.WriteCertificate(at.Cert, at.Key)
}
