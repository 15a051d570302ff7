// Package takeover is the sockets that stand for clients' connections in workers whose
// applications take those over: one end of a socketpair goes to the worker, the other to the
// loop of the connection, and what the application writes first is the answer.
package takeover
