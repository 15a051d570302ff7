// Package python runs Python applications (WSGI, ASGI and Tornado) in supervised
// worker processes, and is an asteri.Handler that gives them requests.
//
// Each worker is connected by two socketpairs, whose protocol is described in
// PROTOCOL.md. A link is a session of one of the server's event loops, so that a
// request whose connection lives on the same loop reaches its worker without a
// change of goroutine, and all requests of a tick go out in one write.
//
// Who owns what:
//
//   - A call (one request) belongs to its exchange's executor.
//   - A link, and the table of the calls at its worker, belongs to one loop.
//   - Which worker has room, and the queue of calls that wait for one, belongs
//     to the dispatcher, under its mutex.
//   - Processes belong to the supervisor, one goroutine a pool.
//
// This package is the pool in the middle: call, link, supervisor. What they work with
// are rooms of their own, which know nothing of it:
//
//   - internal/wire: what goes over the sockets, as types and functions;
//   - internal/dispatch: which worker gets which call;
//   - internal/control: the socket for orders, answers and descriptors;
//   - internal/process: how processes start, become ready and end;
//   - internal/output: what workers print and log;
//   - internal/report: metrics of applications, memory by route;
//   - internal/takeover: connections that applications take over.
//
// Files are named for the owner of what is in them: call*.go is a call at its home,
// link*.go a link on its loop.
package python
