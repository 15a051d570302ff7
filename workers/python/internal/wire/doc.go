// Package wire is what goes over the sockets between the front and a worker, as PROTOCOL.md
// describes it: frames, the requests and messages that the front puts into them, and what
// it reads of a worker's. It knows no sockets, and keeps no state but its buffers. What it
// reads may be anything: every length, shape and count is checked, and a Violation says
// that the worker is to be ended.
package wire
