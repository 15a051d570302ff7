package main

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"log/slog"
	"math/big"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/bench/peers"
)

// programs are the folders of bench/ to build: Go peers and clients.
var programs = []string{
	"peers/gnet", "peers/fasthttp", "peers/nethttp", "peers/gws", "peers/nbio", "peers/quicgo",
	"clients/wsload", "clients/h3load",
}

// prepare builds the Go servers and makes a certificate. Everything lasting
// lies in bench/.peers of the module at root; tmp is for this run.
func prepare(ctx context.Context, root, tmp, binary string) (peers.Place, error) {
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
		if err := build(ctx, root, "./bench/"+name, filepath.Join(at.Bin, filepath.Base(name))); err != nil {
			return at, err
		}
	}
	if err := ownBinary(ctx, root, binary, filepath.Join(at.Bin, "asteri-loop")); err != nil {
		return at, err
	}
	if _, err := os.Stat(filepath.Join(at.Venv, "bin", "python")); err != nil {
		slog.Warn("no Python peers: run bench/deps.sh", "missing", at.Venv)
	}
	return at, writeCertificate(at.Cert, at.Key)
}

// ownBinary puts the server under test at to: a copy of the binary given, or
// one built from the tree. What is there goes first: a running program cannot
// be written over, and go build will not replace what it did not make.
func ownBinary(ctx context.Context, root, from, to string) error {
	if err := os.Remove(to); err != nil && !os.IsNotExist(err) {
		return err
	}
	if from == "" {
		return build(ctx, root, "./cmd/asteri-loop", to)
	}
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

func build(ctx context.Context, root, pkg, to string) error {
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-o", to, pkg)
	cmd.Dir, cmd.Env = root, append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("go build %s: %w: %s", pkg, err, strings.TrimSpace(string(out)))
	}
	return nil
}

// moduleRoot returns the folder of the module that the harness belongs to.
func moduleRoot(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}").Output()
	if err != nil {
		return "", fmt.Errorf("run it inside the module: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// writeCertificate makes a self-signed P-256 certificate for 127.0.0.1. The
// key is PKCS #8, which every peer reads.
func writeCertificate(certFile, keyFile string) error {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return err
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(time.Now().UnixNano()),
		Subject:      pkix.Name{CommonName: "asteri-loop bench"},
		NotBefore:    time.Now().Add(-time.Hour),
		NotAfter:     time.Now().Add(30 * 24 * time.Hour),
		KeyUsage:     x509.KeyUsageDigitalSignature,
		ExtKeyUsage:  []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses:  []net.IP{net.IPv4(127, 0, 0, 1)},
	}
	cert, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	if err != nil {
		return err
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return err
	}
	if err := writePEM(certFile, "CERTIFICATE", cert); err != nil {
		return err
	}
	return writePEM(keyFile, "PRIVATE KEY", secret)
}

func writePEM(name, kind string, der []byte) error {
	return os.WriteFile(name, pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}), 0o600)
}

// raiseFileLimit lets this process, and the servers it starts, open as many
// files as the hard limit grants. 10,000 idle connections need it.
func raiseFileLimit() error {
	var limit syscall.Rlimit
	if err := syscall.Getrlimit(syscall.RLIMIT_NOFILE, &limit); err != nil {
		return err
	}
	limit.Cur = limit.Max
	return syscall.Setrlimit(syscall.RLIMIT_NOFILE, &limit)
}
