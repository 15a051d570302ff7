package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"

	"github.com/asteri/asteri-loop/internal/config"
	"github.com/asteri/asteri-loop/internal/selfsigned"
)

// announceStart says what is starting.
func (s *server) announceStart() {
	switch {
	case !s.logs.terminal:
		s.logs.Info("Starting asteri-loop " + version)
	case s.cfg.App != "": // which may take its time
		s.logs.Info("Starting " + s.cfg.App)
	}
}

// announceReady says where the server listens and what it runs: in a few lines
// for a person on a terminal, else in the log.
func (s *server) announceReady() {
	about := s.app.Describe()
	if s.logs.terminal {
		s.logs.print(s.banner(about))
	} else {
		for _, url := range s.urls() {
			s.logs.Info("Listening at: " + url)
		}
		for _, udp := range s.http3 {
			s.logs.Info("HTTP/3 at: udp " + udp.Addr().String())
		}
		for _, one := range about {
			s.logs.Info("Serving: " + serving(one))
		}
		s.logs.Info("Running " + s.loops())
		s.announceStatus()
	}
	if s.ownCert != nil {
		s.announceOwnCertificate()
	}
}

// announceOwnCertificate says by which certificate https is answered. Where nobody has
// asked for TLS that is no reason to worry.
func (s *server) announceOwnCertificate() {
	level, what := slog.LevelInfo, "https is answered with a self-signed certificate, which clients do not trust"
	if s.asked("protocols") || s.asked("http_protocols") && s.cfg.Speaks("h3") {
		level, what = slog.LevelWarn, "No --certfile: TLS is answered with a self-signed certificate, which clients do not trust"
	}
	s.logs.Log(context.Background(), level, what, "sha256", selfsigned.Fingerprint(*s.ownCert))
}

// asked tells whether somebody has given the setting of that name.
func (s *server) asked(name string) bool { return s.cfg.Origin(name).Layer != config.Default }

// paint marks text for a terminal in color.
func (s *server) paint(code, text string) string {
	if !s.logs.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (s *server) banner(about []description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s %s  pid %d\n\n", s.paint("1;36", "asteri-loop"), version, os.Getpid())
	for _, url := range s.urls() {
		fmt.Fprintf(&b, "  %s\n", s.paint("4", url))
	}
	for _, udp := range s.http3 {
		fmt.Fprintf(&b, "  HTTP/3 at udp %s\n", udp.Addr())
	}
	b.WriteByte('\n')
	for _, one := range about {
		fmt.Fprintf(&b, "  %s\n", serving(one))
	}
	fmt.Fprintf(&b, "  %s\n", s.loops())
	if link := s.statusLink(); link != "" {
		fmt.Fprintf(&b, "  status  %s\n", s.paint("4", link))
	}
	b.WriteByte('\n')
	return b.String()
}

func serving(about description) string {
	name := about.Name
	if name == "" {
		name = "the demonstration"
	}
	text := name
	if about.Model != "" {
		text = fmt.Sprintf("%s under %s (%s)", name, about.Model, about.Why)
	}
	if about.At != "" {
		text = about.At + " is " + text
	}
	if about.Runtime != "" {
		text += fmt.Sprintf(", %s, %s", about.Runtime, count(about.Workers, "worker"))
	}
	return text
}

func (s *server) loops() string {
	all := len(s.engine.Loops())
	if active := s.engine.Active(); active < all {
		return fmt.Sprintf("%s, up to %d as the load needs", count(active, "event loop"), all)
	}
	return count(all, "event loop")
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// urls returns the addresses that clients may use: by scheme, except for Unix
// sockets, which have no place in a URL.
func (s *server) urls() []string {
	var urls []string
	for _, ln := range s.listeners {
		addr := ln.Addr()
		if addr.Network() == "unix" {
			urls = append(urls, "unix:"+absolute(addr.String()))
			continue
		}
		for _, scheme := range s.cfg.Protocols {
			urls = append(urls, scheme+"://"+addr.String())
		}
	}
	return urls
}

func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}
