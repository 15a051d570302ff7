package workers

// Gevent runs each call of h on a goroutine of its own, at most
// WorkerConnections at once. Bodies are streamed. It uses WorkerConnections,
// QueueSize, QueueTimeout and Timeout.
func Gevent(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return newPool("gevent", h, o, o.WorkerConnections, false)
}
