package server

import (
	"errors"
	"fmt"
	"net"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
)

// firstFreePort is the first that every user may open, unless the system says otherwise.
const firstFreePort = 1024

// advisePort adds to err, with which addr could not be opened, what the user lacks for a
// low port, and how to get it.
func advisePort(err error, addr string) error {
	if !errors.Is(err, syscall.EACCES) {
		return err
	}
	_, text, _ := net.SplitHostPort(addr) // without one it is a Unix socket's
	port, _ := strconv.Atoi(text)
	low := lowPorts()
	if port == 0 || port >= low {
		return err
	}
	advice := "choose another port, or have a proxy or a packet filter pass this one on"
	if runtime.GOOS == "linux" {
		program, _ := os.Executable() // empty is as good as unknown
		if program == "" {
			program = "asteri-loop"
		}
		advice = fmt.Sprintf("give the server the capability CAP_NET_BIND_SERVICE (AmbientCapabilities= of systemd, or sudo setcap cap_net_bind_service=+ep %s), or lower the bound for all users (sudo sysctl net.ipv4.ip_unprivileged_port_start=%d)", program, port)
	}
	return fmt.Errorf("%w: ports below %d are not for every user: %s", err, low, advice)
}

// procPortStart is where Linux says which port is the first for every user.
const procPortStart = "/proc/sys/net/ipv4/ip_unprivileged_port_start"

// lowPorts returns the first port that is for every user.
func lowPorts() int {
	text, _ := os.ReadFile(procPortStart) // other systems have none
	if n, err := strconv.Atoi(strings.TrimSpace(string(text))); err == nil {
		return n
	}
	return firstFreePort
}
