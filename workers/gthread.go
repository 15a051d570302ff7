package workers

// GThread runs h with Workers workers of Threads threads, each of which runs one
// call at a time. Clients do not hold them, as with Sync. It uses Workers, Threads,
// QueueSize, QueueTimeout, Timeout and ResponseSpoolMax.
func GThread(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return newPool("gthread", h, o, o.Workers*o.Threads, true)
}
