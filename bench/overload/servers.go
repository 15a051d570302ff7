package main

import (
	"cmp"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/testbed"
)

// stopGrace is the time from SIGTERM to SIGKILL.
const stopGrace = 2 * time.Second

//go:embed nginx.conf
var nginxConf string

// applications are what ours serves, by the names of the cases.
var applications = map[string]struct {
	name string
	args []string
}{
	"go":   {"asteri-loop, Go handler", []string{"-w", "tornado"}},
	"wsgi": {"asteri-loop gthread", []string{"-w", "gthread:2", "--threads", "8", "overload:wsgi"}},
	"asgi": {"asteri-loop asgi", []string{"-w", "asgi:2", "overload:asgi"}},
}

// place is where servers run.
type place struct {
	binary, python, apps, tmp string
	cert, key                 string
}

// server is one that runs.
type server struct {
	*testbed.Process
	name  string
	at    target
	shown string // the command as a reader would type it
	whole bool   // all its processes count as the front
}

// start starts the server of a case with that buffer budget and waits for its answers.
func (at place) start(ctx context.Context, c overloadCase, budget int64) (*server, error) {
	tmp, err := os.MkdirTemp(at.tmp, c.server+"-")
	if err != nil {
		return nil, err
	}
	ports, err := freeAddresses(3)
	if err != nil {
		return nil, err
	}
	s := &server{at: target{address: ports[0], h2: ports[0], admin: ports[1], tls: c.tls, sockets: c.sockets}}
	var argv []string
	if c.server == "nginx" {
		s.name, s.whole, s.at.h2, s.at.admin = "nginx", true, ports[2], ""
		argv, err = nginx(tmp, s.at, c)
	} else {
		s.name = applications[c.server].name
		argv = at.ours(s.at, c, budget)
	}
	if err != nil {
		return nil, err
	}
	s.shown = strings.NewReplacer(at.binary, "asteri-loop", at.python, "PYTHON", at.cert, "CERT", at.key, "KEY", at.tmp, "TMP",
		ports[0], "127.0.0.1:PORT", ports[1], "127.0.0.1:ADMIN").Replace(strings.Join(argv, " "))
	if c.descriptors > 0 {
		argv = append([]string{"sh", "-c", fmt.Sprintf(`ulimit -n %d && exec "$@"`, c.descriptors), "sh"}, argv...)
		s.shown = fmt.Sprintf("ulimit -n %d; %s", c.descriptors, s.shown)
	}
	if s.Process, err = testbed.Start(argv, at.apps, filepath.Join(tmp, "log")); err != nil {
		return nil, err
	}
	if err := s.Ready(ctx, s.answers); err != nil {
		return nil, errors.Join(s.Explain(err), s.Stop(stopGrace))
	}
	return s, nil
}

// ours is the command line of our own server.
func (at place) ours(t target, c overloadCase, budget int64) []string {
	argv := []string{
		at.binary, "-b", t.address, "--admin-listen", t.admin, "--buffer-budget", strconv.FormatInt(budget, 10),
		"--graceful-timeout", "1", "--python", at.python,
	}
	if t.tls {
		argv = append(argv, "--certfile", at.cert, "--keyfile", at.key)
	}
	return append(append(argv, c.args...), applications[c.server].args...)
}

// nginx leaves files and configuration in tmp and returns the command line.
func nginx(tmp string, t target, c overloadCase) ([]string, error) {
	_, port, _ := net.SplitHostPort(t.address)
	_, h2, _ := net.SplitHostPort(t.h2)
	each := cmp.Or(c.descriptors, descriptors) / 2 // it has two workers
	conf := strings.NewReplacer("{tmp}", tmp, "{port}", port, "{h2}", h2, "{descriptors}", strconv.Itoa(each)).Replace(nginxConf)
	for name, n := range map[string]int{"13": 13, strconv.Itoa(honestSize): honestSize, "1000000": 1_000_000} {
		file := filepath.Join(tmp, "bytes", name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, make([]byte, n), 0o644)); err != nil {
			return nil, err
		}
	}
	file := filepath.Join(tmp, "nginx.conf")
	return []string{"nginx", "-p", tmp, "-c", file, "-e", "stderr"}, os.WriteFile(file, []byte(conf), 0o644)
}

// answers asks for everything once.
func (s *server) answers(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, honestTimeout)
	defer cancel()
	all, closing := s.at.everything()
	defer closing()
	for _, one := range all {
		if err := one.once(ctx); err != nil {
			return fmt.Errorf("%s: %w", one.name, err)
		}
	}
	return nil
}

// freeAddresses returns n different addresses that were free a moment ago: all are
// held until the last is found.
func freeAddresses(n int) (all []string, err error) {
	var held []net.Listener
	defer func() {
		for _, l := range held {
			l.Close()
		}
	}()
	for range n {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return nil, err
		}
		held, all = append(held, l), append(all, l.Addr().String())
	}
	return all, nil
}
