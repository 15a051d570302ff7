package syslog

import (
	"errors"
	"fmt"
	"net"
	"runtime"
	"slices"
	"strconv"
	"strings"
)

// Address is where a syslog daemon listens.
type Address struct {
	// Network is one of udp, tcp, unixgram, unix, or unix? for whichever of
	// the two answers.
	Network, Address string
}

// either stands for a Unix socket of a kind that is not known.
const either = "unix?"

// DefaultAddress is gunicorn's for this system.
func DefaultAddress() string {
	switch runtime.GOOS {
	case "darwin":
		return "unix:///var/run/syslog"
	case "freebsd", "dragonfly":
		return "unix:///var/run/log"
	case "openbsd":
		return "unix:///dev/log"
	}
	return "udp://localhost:514"
}

// ParseAddress takes udp://HOST:PORT, tcp://HOST:PORT, or unix:PATH, which may be
// followed by #dgram or #stream. Without a port it is 514.
func ParseAddress(s string) (Address, error) {
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		return parseSocket(strings.TrimPrefix(path, "//"))
	}
	network, at, ok := strings.Cut(s, "://")
	if !ok || network != "udp" && network != "tcp" {
		return Address{}, errors.New("must be udp://HOST:PORT, tcp://HOST:PORT or unix:PATH")
	}
	host, port, err := net.SplitHostPort(at)
	if err != nil {
		host, port = strings.Trim(at, "[]"), "514"
	}
	if n, err := strconv.ParseUint(port, 10, 16); err != nil || n == 0 || host == "" {
		return Address{}, fmt.Errorf("%q is not HOST:PORT", at)
	}
	return Address{network, net.JoinHostPort(host, port)}, nil
}

func parseSocket(path string) (Address, error) {
	path, kind, _ := strings.Cut(path, "#")
	switch {
	case !strings.HasPrefix(path, "/"):
		return Address{}, errors.New("the path of a Unix socket must begin with /")
	case kind == "":
		return Address{either, path}, nil
	case kind == "dgram":
		return Address{"unixgram", path}, nil
	case kind == "stream":
		return Address{"unix", path}, nil
	}
	return Address{}, fmt.Errorf("#%s: must be #dgram or #stream", kind)
}

// Facilities are the names by which facilities are known, with gunicorn's spellings,
// each at the index of its number.
var facilities = []string{
	"kern", "user", "mail", "daemon", "auth", "syslog", "lpr", "news", "uucp", "cron", "authpriv", "ftp",
	"ntp", "audit", "alert", "clock", "local0", "local1", "local2", "local3", "local4", "local5", "local6", "local7",
}

// ParseFacility returns the number of a facility, RFC 5424 section 6.2.1.
func ParseFacility(name string) (int, error) {
	name = strings.TrimPrefix(strings.ToLower(name), "log_")
	if name == "security" {
		name = "auth"
	}
	if n := slices.Index(facilities, name); n >= 0 {
		return n, nil
	}
	return 0, errors.New("must be one of " + strings.Join(facilities, ", "))
}
