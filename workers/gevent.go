package workers

// Gevent runs each call of h on a goroutine of its own, at most
// WorkerConnections at once. Bodies are streamed. It uses WorkerConnections,
// QueueSize and QueueTimeout.
func Gevent(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return &Pool{handler: h, options: o, limit: o.WorkerConnections}
}
