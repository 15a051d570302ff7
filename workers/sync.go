package workers

// Sync runs h with Workers workers, each of which runs one call at a time. Its
// workers are scarce, so a request body is read in advance: up to 256 KiB into
// memory, beyond that into a temporary file. It uses Workers, QueueSize and
// QueueTimeout.
func Sync(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return &Pool{handler: h, options: o, limit: o.Workers, whole: true}
}
