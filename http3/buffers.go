package http3

import (
	"log/slog"
	"net"
	"os"
	"sync"
)

// bufferSize is what QUIC wants the socket to buffer, in bytes, each way.
const bufferSize = 7 << 20

// growBuffers asks for large socket buffers. What the system refuses is said once: it
// may be much, and everything still works until there is load.
func growBuffers(c *net.UDPConn, l *slog.Logger) {
	read, write := setBuffers(c, bufferSize)
	if read >= bufferSize && write >= bufferSize {
		return
	}
	smallBuffers.Do(func() {
		l.Warn("The system grants HTTP/3 small socket buffers, which costs packets under load; raise "+bufferLimits+" to 7500000",
			"wanted", bufferSize, "receive", read, "send", write)
	})
}

var smallBuffers sync.Once

// warningVariable keeps quic-go from printing a warning of its own about the
// buffers to standard error. It can only be told so by the environment.
const warningVariable = "QUIC_GO_DISABLE_RECEIVE_BUFFER_WARNING"

var environment sync.Mutex

// withoutWarning runs fn, in which quic-go looks at the buffers, and leaves the
// environment as it was: applications get it.
func withoutWarning(fn func()) {
	environment.Lock()
	defer environment.Unlock()
	if _, set := os.LookupEnv(warningVariable); !set && os.Setenv(warningVariable, "true") == nil {
		defer func() { _ = os.Unsetenv(warningVariable) }()
	}
	fn()
}
