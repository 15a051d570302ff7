package server

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
)

func TestAdviceOnLowPorts(t *testing.T) {
	denied := fmt.Errorf("listen on :80: bind: %w", syscall.EACCES)
	low := lowPorts()
	for addr, advised := range map[string]bool{
		":80": low > 80, "127.0.0.1:1": low > 1, "[::1]:80": low > 80, ":65535": low > 65535, "unix:/run/80": false, "fd://3": false,
	} {
		err := advisePort(denied, addr)
		if got := strings.Contains(err.Error(), "CAP_NET_BIND_SERVICE"); got != advised || !errors.Is(err, syscall.EACCES) {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := advisePort(syscall.EADDRINUSE, ":80"); err != syscall.EADDRINUSE {
		t.Errorf("%v", err)
	}
}
