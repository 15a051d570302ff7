package takeover

import (
	"time"

	"github.com/asteri/asteri-loop/loop"
)

// Call is the call that a socket was lent with. It is used on the socket's home.
type Call interface {
	// Connects tells whether the request is an extended CONNECT.
	Connects() bool
	// Refuses returns why a response cannot be one to its request; nil if it can.
	Refuses(status int) error
	// Account says that the exchange is about to become a tunnel.
	Account()
	// End says that the exchange has its answer.
	End()
	// GiveUp aborts the exchange for the application's mistake.
	GiveUp(err error)
	// TakeBack says that the application has closed the socket without a word.
	TakeBack()
}

// Worker is who a socket was lent to.
type Worker interface {
	// Loop is the one that Taken and Closed are called on.
	Loop() *loop.Loop
	// AddSocket counts an open socket, unless it has the room of its call. The error is
	// what the request is answered with if there is no room. Both are called on any
	// goroutine.
	AddSocket() (counted bool, err error)
	RemoveSocket()
	// Taken says that the application has answered on its socket. The call's time is its
	// own from now on.
	Taken(Call, *Socket)
	// Closed is the last that is heard of a socket.
	Closed(*Socket)
}

// Settings are those of python.Config, in its words.
type Settings struct {
	Linger, CloseTimeout, GracefulTimeout time.Duration
}
