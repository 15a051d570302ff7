package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/internal/settings/selfsigned"
	"github.com/asteri/asteri-loop/server"
	"github.com/asteri/asteri-loop/status"
)

// announceStart says what is starting.
func (p *program) announceStart() {
	switch {
	case !p.logs.terminal:
		p.logs.Info("Starting asteri-loop " + version)
	case p.cfg.App != "": // which may take its time
		p.logs.Info("Starting " + p.cfg.App)
	}
	if p.cfg.Conf != nil {
		p.logs.Info("Settings are from " + p.cfg.File)
	}
}

// announceReady says where the server listens and what it runs: in a few lines
// for a person on a terminal, else in the log.
func (p *program) announceReady() {
	about := p.server.Applications()
	if p.logs.terminal {
		p.logs.print(p.banner(about))
	} else {
		for _, url := range p.urls() {
			p.logs.Info("Listening at: " + url)
		}
		for _, udp := range p.server.Addrs().HTTP3 {
			p.logs.Info("HTTP/3 at: udp " + udp.String())
		}
		for _, one := range about {
			p.logs.Info("Serving: " + serving(one))
		}
		p.logs.Info("Running " + p.loops())
		p.announceStatus()
	}
	if own := p.server.OwnCertificate(); own != nil {
		p.announceOwnCertificate(own)
	}
}

// announceOwnCertificate says by which certificate https is answered. Where nobody has
// asked for TLS that is no reason to worry.
func (p *program) announceOwnCertificate(own *tls.Certificate) {
	level, what := slog.LevelInfo, "https is answered with a self-signed certificate, which clients do not trust"
	if p.asked("protocols") || p.asked("http_protocols") && p.cfg.Speaks("h3") {
		level, what = slog.LevelWarn, "No --certfile: TLS is answered with a self-signed certificate, which clients do not trust"
	}
	p.logs.Log(context.Background(), level, what, "sha256", selfsigned.Fingerprint(*own))
}

// asked tells whether somebody has given the setting of that name.
func (p *program) asked(name string) bool { return p.cfg.Origin(name).Layer != config.Default }

// paint marks text for a terminal in color.
func (p *program) paint(code, text string) string {
	if !p.logs.color {
		return text
	}
	return "\x1b[" + code + "m" + text + "\x1b[0m"
}

func (p *program) banner(about []server.Description) string {
	var b strings.Builder
	fmt.Fprintf(&b, "\n  %s %s  pid %d\n\n", p.paint("1;36", "asteri-loop"), version, os.Getpid())
	for _, url := range p.urls() {
		fmt.Fprintf(&b, "  %s\n", p.paint("4", url))
	}
	for _, udp := range p.server.Addrs().HTTP3 {
		fmt.Fprintf(&b, "  HTTP/3 at udp %s\n", udp)
	}
	b.WriteByte('\n')
	for _, one := range about {
		fmt.Fprintf(&b, "  %s\n", serving(one))
	}
	fmt.Fprintf(&b, "  %s\n", p.loops())
	if link := p.statusLink(); link != "" {
		fmt.Fprintf(&b, "  status  %s\n", p.paint("4", link))
	}
	b.WriteByte('\n')
	return b.String()
}

func serving(about server.Description) string {
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
	if about.State == status.ApplicationFailed {
		return text + ", which cannot be started"
	}
	if about.Runtime != "" {
		text += fmt.Sprintf(", %s, %s", about.Runtime, count(about.Workers, "worker"))
	}
	return text
}

func (p *program) loops() string {
	all := len(p.server.Engine().Loops())
	if active := p.server.Engine().Active(); active < all {
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
func (p *program) urls() []string {
	var urls []string
	for _, addr := range p.server.Addrs().Clients {
		if addr.Network() == "unix" {
			urls = append(urls, "unix:"+absolute(addr.String()))
			continue
		}
		for _, scheme := range p.cfg.Server.Listen.Schemes {
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

// statusLink returns where the status page is: for who reads it on a terminal with
// what opens it.
func (p *program) statusLink() string {
	if p.cfg.Server.Status.Off {
		return ""
	}
	for _, addr := range p.server.Addrs().Admin {
		return place("http", addr) + p.cfg.Server.Status.Path
	}
	if p.cfg.Server.Status.NoDashboard {
		return ""
	}
	scheme := "https"
	if p.cfg.Serves("http") {
		scheme = "http"
	}
	link := place(scheme, p.server.Addrs().Clients[0]) + p.cfg.Server.Status.Path
	if p.tokenFile != nil && p.logs.terminal {
		link += "?token=" + p.token
	}
	return link
}

// place is how to reach an address from this machine.
func place(scheme string, addr net.Addr) string {
	tcp, ok := addr.(*net.TCPAddr)
	if !ok {
		return "unix:" + absolute(addr.String()) + " "
	}
	host := tcp.IP.String()
	if tcp.IP.IsUnspecified() {
		host = "localhost"
	}
	return scheme + "://" + net.JoinHostPort(host, fmt.Sprint(tcp.Port))
}

// announceStatus says in the log where to look.
func (p *program) announceStatus() {
	switch link := p.statusLink(); {
	case link == "":
	case p.tokenFile != nil && len(p.cfg.Server.Status.Listen) == 0:
		p.logs.Info("Status page: "+link, "token_file", p.tokenFile.Path())
	default:
		p.logs.Info("Status page: " + link)
	}
}
