// Package peers knows the servers of the comparison: how each is started and
// what it serves. Their applications and configuration lie beside this file.
package peers

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Body is the answer of every application: 13 bytes of text/plain.
const Body = "Hello, World!"

// Peer is one server with one application. In the strings below {name} stands
// for what Place fills in: {port}, {tmp} (a folder of this run), {cert}, {key},
// {bin} (programs built from this repository), {venv} (the Python environment), {otlp}
// (a collector of spans).
type Peer struct {
	ID   string
	Name string
	Args []string // the command; its working directory is apps/
	Conf string   // a file of conf/ to fill in and leave in {tmp}, if any
	Path string   // where Body is served; "" is "/"

	// A peer that speaks TLS says how, by further arguments or by what
	// {ssl} in its Conf stands for; PlainConf is what that stands for without
	// TLS.
	TLSArgs   []string
	TLSConf   string
	PlainConf string
}

// SpeaksTLS reports whether the peer can be started with TLS.
func (p Peer) SpeaksTLS() bool { return p.TLSArgs != nil || p.TLSConf != "" }

// ByID finds a peer.
func ByID(id string) (Peer, error) {
	for _, p := range All {
		if p.ID == id {
			return p, nil
		}
	}
	return Peer{}, fmt.Errorf("no peer is called %q", id)
}

// Place is where a peer runs.
type Place struct {
	Dir       string // this folder in the source tree
	Bin, Venv string
	Tmp       string // exists, empty, used by one start of one peer
	Cert, Key string // PEM files
	Collector string // URL of what takes spans
	Port      int
}

// Prepare writes the files that p needs into the place and returns its
// command line.
func (p Peer) Prepare(at Place, tls bool) ([]string, error) {
	if tls && !p.SpeaksTLS() {
		return nil, fmt.Errorf("%s does not speak TLS here", p.ID)
	}
	args, ssl := p.Args, p.PlainConf
	if tls {
		args = append(args[:len(args):len(args)], p.TLSArgs...)
		ssl = p.TLSConf
	}
	fill := at.replacer(ssl)
	if err := writeFiles(at.Tmp); err != nil {
		return nil, err
	}
	if p.Conf != "" {
		if err := writeConf(filepath.Join(at.Dir, "conf", p.Conf), at.Tmp, fill); err != nil {
			return nil, err
		}
	}
	filled := make([]string, len(args))
	for i, arg := range args {
		filled[i] = fill.Replace(arg)
	}
	return filled, nil
}

func (at Place) replacer(ssl string) *strings.Replacer {
	values := []string{
		"{port}", strconv.Itoa(at.Port), "{tmp}", at.Tmp, "{cert}", at.Cert,
		"{key}", at.Key, "{bin}", at.Bin, "{venv}", at.Venv, "{otlp}", at.Collector,
	}
	ssl = strings.NewReplacer(values...).Replace(ssl)
	return strings.NewReplacer(append(values, "{ssl}", ssl)...)
}

// writeConf fills in a configuration file.
func writeConf(from, tmp string, fill *strings.Replacer) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	to := filepath.Join(tmp, filepath.Base(from))
	return os.WriteFile(to, []byte(fill.Replace(string(b))), 0o600)
}
