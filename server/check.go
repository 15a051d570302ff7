package server

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"syscall"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// ConfigError is a mistake in a Config: another start would not cure it.
type ConfigError struct {
	// Field is where, from Config on: "TLS.CertFiles".
	Field string
	Err   error
}

// Error names the field and says what is wrong with it.
func (e *ConfigError) Error() string { return "server: Config." + e.Field + ": " + e.Err.Error() }

// Unwrap returns what is wrong.
func (e *ConfigError) Unwrap() error { return e.Err }

// Lacking tells whether err is for want of something on the machine, such as a port that
// another has: then the same settings may work the next time.
func Lacking(err error) bool {
	lacking := []error{
		syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.ENOSPC, syscall.EDQUOT, syscall.EIO,
		syscall.EADDRINUSE, syscall.EADDRNOTAVAIL, // an interface may get its address later
	}
	return errors.As(err, new(*net.DNSError)) || slices.ContainsFunc(lacking, func(e error) bool { return errors.Is(err, e) })
}

// blame makes err a mistake in a field, unless the machine lacks something.
func blame(field string, err error) error {
	if err == nil || Lacking(err) {
		return err
	}
	return &ConfigError{field, err}
}

func wrong(field, format string, args ...any) error {
	return &ConfigError{field, fmt.Errorf(format, args...)}
}

// check finds what can be told without opening anything.
func (c *Config) check() error {
	for _, check := range []func() error{c.checkWords, c.checkAddresses, c.checkHTTP, c.checkApps, c.checkRate} {
		if err := check(); err != nil {
			return err
		}
	}
	_, err := c.Logs.Access.compile(c.software(), false)
	return err
}

// checkWords finds words that mean nothing.
func (c *Config) checkWords() error {
	for _, one := range []struct {
		field   string
		given   []string
		allowed []string
	}{
		{"Listen.Schemes", c.Listen.Schemes, []string{"http", "https"}},
		{"HTTP.Versions", c.HTTP.Versions, []string{"h1", "h2", "h3"}},
		{"TLS.VerifyClient", []string{c.TLS.VerifyClient}, []string{"", "none", "optional", "required"}},
		{"TLS.MinVersion", []string{c.TLS.MinVersion}, []string{"", "TLSv1_2", "TLSv1_3"}},
		{"Proxies.Fields", []string{c.Proxies.Fields}, []string{"auto", "x-forwarded", "forwarded"}},
		{"Proxies.Underscores", []string{c.Proxies.Underscores}, []string{"drop", "refuse", "dangerous"}},
		{"Scheduling", []string{c.Scheduling}, []string{schedulingAuto, schedulingNormal, schedulingBatch}},
		{"Proxies.ProxyProtocol", []string{c.Proxies.ProxyProtocol}, []string{off, "v1", "v2", "auto"}},
	} {
		for _, word := range one.given {
			if !slices.Contains(one.allowed, word) {
				return wrong(one.field, "%q: must be one of %s", word, strings.Join(slices.DeleteFunc(one.allowed, func(s string) bool { return s == "" }), ", "))
			}
		}
	}
	for _, path := range []struct{ field, path string }{
		{"Status.Path", c.Status.Path}, {"Status.LivePath", c.Status.LivePath}, {"Status.ReadyPath", c.Status.ReadyPath}, {"Metrics.Path", c.Metrics.Path},
	} {
		if path.path != "" && (path.path[0] != '/' || len(path.path) < 2 || strings.HasSuffix(path.path, "/")) {
			return wrong(path.field, "%q: must be a path that begins with / and does not end with it", path.path)
		}
	}
	return nil
}

// checkAddresses parses whatever names addresses.
func (c *Config) checkAddresses() error {
	for _, one := range []struct {
		field string
		at    []string
	}{{"Listen.Addresses", c.Listen.Addresses}, {"Status.Listen", c.Status.Listen}} {
		for _, addr := range one.at {
			if _, _, err := net.SplitHostPort(addr); hasPort(addr) && err != nil {
				return wrong(one.field, "%q: must be HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH or fd://N", addr)
			}
		}
	}
	for _, set := range []struct {
		field string
		names []string
	}{
		{"Proxies.Trusted", c.Proxies.Trusted}, {"Proxies.ProxyProtocolFrom", c.Proxies.ProxyProtocolFrom}, {"Proxies.UwsgiFrom", c.Proxies.UwsgiFrom},
		{"Rate.Exempt", c.Rate.Exempt},
	} {
		if _, err := addrset.Parse(set.names); err != nil {
			return &ConfigError{set.field, err}
		}
	}
	_, err := c.Status.networks()
	return err
}

// checkHTTP refuses ports on which nothing could be asked.
func (c *Config) checkHTTP() error {
	switch {
	case !c.speaks("h1") && !c.speaks("h2"):
		return wrong("HTTP.Versions", "clients find HTTP/3 by HTTP/1.1 or HTTP/2: add h1 or h2")
	case !c.speaks("h1") && c.HTTP.H2.NoCleartext && c.serves("http"):
		return wrong("HTTP.Versions", "h2 alone without TLS cannot be with HTTP.H2.NoCleartext")
	case c.TLS.hasCertificates() && !c.serves("https"):
		return wrong("Listen.Schemes", "http alone has no use for certificates: add https")
	case c.TLS.verifies() && c.serves("http"):
		return wrong("Listen.Schemes", "plain http on the same port would let clients in without a certificate: leave https alone")
	case len(c.TLS.KeyFiles) > 0 && len(c.TLS.KeyFiles) != len(c.TLS.CertFiles):
		return wrong("TLS.KeyFiles", "%d keys for %d certificates: give one for each, in the same order", len(c.TLS.KeyFiles), len(c.TLS.CertFiles))
	}
	return nil
}

// checkApps finds applications that are in each other's place, or none.
func (c *Config) checkApps() error {
	if c.App.kinds() > 1 {
		return wrong("App", "more than one application: give one of Handler, Python and Upstream")
	}
	if err := c.App.check("App"); err != nil {
		return err
	}
	seen := map[string]bool{"/": !c.App.isEmpty()}
	for i := range c.Mounts {
		m, field := &c.Mounts[i], fmt.Sprintf("Mounts[%d]", i)
		switch {
		case m.kinds() != 1:
			return wrong(field, "give one of Handler, Python and Upstream")
		case m.Path != "" && m.Path[0] != '/' || strings.ContainsAny(m.Path, "%?#\\"):
			return wrong(field+".Path", "%q: must be a plain path that begins with a slash", m.Path)
		case strings.ContainsAny(m.Host, "/ "):
			return wrong(field+".Host", "%q: must be a name, *. and a name, or nothing", m.Host)
		case seen[m.At()]:
			return wrong(field, "two applications at %s", m.At())
		}
		seen[m.At()] = true
		if err := m.App.check(field); err != nil {
			return err
		}
	}
	return nil
}

func (a *App) check(field string) error {
	if a.Python != nil && a.Python.App == "" {
		return wrong(field+".Python.App", "names no application: module:attribute")
	}
	if a.Upstream == nil {
		return nil
	}
	u, err := url.Parse(a.Upstream.URL)
	switch {
	case err != nil:
		return &ConfigError{field + ".Upstream.URL", err}
	case u.Scheme == "unix" && u.Path != "", (u.Scheme == "http" || u.Scheme == "https") && u.Host != "":
		return nil
	}
	return wrong(field+".Upstream.URL", "%q: must be http://HOST:PORT, https://HOST:PORT or unix:PATH", a.Upstream.URL)
}

func (c *Config) checkRate() error {
	if r := c.Rate; r.Requests != 0 && (r.Requests < 0 || r.Burst < 1 || r.Per < 0) {
		return wrong("Rate", "requests, their time and the burst must be positive")
	}
	return nil
}

// hasPort tells whether a listen address is one of TCP that we open ourselves.
func hasPort(addr string) bool {
	return !strings.HasPrefix(addr, "unix:") && !strings.HasPrefix(addr, "fd:")
}

// addresses makes a set of names that were checked.
func addresses(names []string) *addrset.Set {
	set, err := addrset.Parse(names)
	if err != nil {
		panic(err)
	}
	return set
}

// networks are those of Allow.
func (s *Status) networks() ([]netip.Prefix, error) {
	all := make([]netip.Prefix, len(s.Allow))
	for i, name := range s.Allow {
		var err error
		if all[i], err = addrset.ParseNetwork(name); err != nil {
			return nil, &ConfigError{"Status.Allow", err}
		}
	}
	return all, nil
}
