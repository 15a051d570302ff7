package config

import (
	"errors"
	"fmt"
	"net"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/system/activation"
)

const defaultPort = "8000"

// address brings a bind address into the form that the reactor takes. As
// gunicorn does, it completes what is left out: a bare port listens on every
// address, a bare host on port 8000.
func address(s string) (string, error) {
	s = strings.TrimPrefix(s, "tcp://")
	if fd, ok := strings.CutPrefix(s, "fd://"); ok {
		if n, err := strconv.ParseUint(fd, 10, 31); err != nil || n < 3 {
			return "", fmt.Errorf("must be fd://N with a descriptor number from 3")
		}
		return s, nil
	}
	if name, ok := strings.CutPrefix(s, activation.Prefix); ok {
		if name == "" {
			return "", fmt.Errorf("must be systemd:NAME, with the name of sockets (FileDescriptorName=)")
		}
		return s, nil
	}
	if path, ok := strings.CutPrefix(s, "unix:"); ok {
		path = strings.TrimPrefix(path, "//")
		if path == "" {
			return "", fmt.Errorf("must be unix:PATH")
		}
		return "unix:" + path, nil
	}
	return tcpAddress(s)
}

func tcpAddress(s string) (string, error) {
	bad := fmt.Errorf("must be HOST:PORT, :PORT, [IPV6]:PORT, unix:PATH, fd://N or systemd:NAME")
	if s == "" {
		return "", bad
	}
	if isNumber(s) {
		s = ":" + s
	} else if !strings.Contains(s, ":") {
		s += ":" + defaultPort
	} else if strings.HasPrefix(s, "[") && strings.HasSuffix(s, "]") {
		s += ":" + defaultPort
	}
	host, port, err := net.SplitHostPort(s)
	if err != nil || isNumber(host) {
		return "", bad
	}
	n, err := strconv.ParseUint(port, 10, 16)
	if err != nil {
		return "", fmt.Errorf("port %q must be a number from 0 to 65535", port)
	}
	return net.JoinHostPort(host, strconv.FormatUint(n, 10)), nil
}

func isNumber(s string) bool {
	return s != "" && strings.Trim(s, "0123456789") == ""
}

// network is an address or a range of them in CIDR notation.
func network(s string) (string, error) {
	n, err := addrset.ParseNetwork(s)
	if err != nil {
		return "", errors.New("must be an address or a network like 10.0.0.0/8")
	}
	return n.String(), nil
}

func networkOrEveryone(s string) (string, error) {
	if s == addrset.Everyone {
		return s, nil
	}
	n, err := addrset.ParseNetwork(s)
	if err != nil {
		return "", errors.New("must be an address, a network like 10.0.0.0/8, or * for all")
	}
	return n.String(), nil
}

// assignment is NAME=VALUE for the application's environment.
func assignment(s string) (string, error) {
	name, _, ok := strings.Cut(s, "=")
	if !ok || name == "" || strings.ContainsRune(s, 0) {
		return "", fmt.Errorf("must be NAME=VALUE")
	}
	return s, nil
}
