package workers

import "github.com/asteri/asteri-loop"

// Tornado runs h natively on the loop: inline, on the event loop of its
// connection, which is where a protocol calls its handler anyway. h must not
// block. A panic of h is confined to its exchange by the protocol.
func Tornado(h asteri.Handler) asteri.Handler { return h }
