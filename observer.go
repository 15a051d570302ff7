package asteri

import "time"

// Observer is told how each exchange ended, and of requests that were refused
// before they became one. It is called on the exchange's executor, must not
// block, and must not keep the record or its slices.
type Observer interface {
	ExchangeDone(r *Record)
}

// Record is what happened in one exchange.
type Record struct {
	// Request is nil if the head was refused before it could be parsed.
	Request *Request
	// Peer is the connection, never nil. Request.Peer may name a client behind
	// its other end.
	Peer *Peer
	// Status is the final status sent, 0 if none was.
	Status int
	// BytesIn and BytesOut count content, BytesSent counts content and head.
	BytesIn, BytesOut, BytesSent int64
	// Duration is from the complete head to the end of the response as the
	// handler made it, which may be before its last byte was sent.
	Duration time.Duration
	// Err is nil if the exchange ended cleanly.
	Err error
	// Header is the response header; nil if none was sent.
	Header *Header
}

// Handling is what handlers say of their work on a request, for its observer. It is
// in the request, belongs to whoever handles that, and may be empty.
type Handling struct {
	// ID names the request in logs, to the application and to the client.
	ID string
	// App names the application where there are several; Model is its worker
	// model.
	App, Model string
	// Worker is the process that did the work; 0 is this one.
	Worker int
	// Queued is how long the request waited for a worker, Worked how long a
	// worker had it, to the end of its response.
	Queued, Worked time.Duration
}
