package workers

// GThread runs h with Workers workers of Threads threads, each of which runs one
// call at a time. Request bodies are read in advance, as for Sync. It uses
// Workers, Threads, QueueSize and QueueTimeout.
func GThread(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return &Pool{handler: h, options: o, limit: o.Workers * o.Threads, whole: true}
}
