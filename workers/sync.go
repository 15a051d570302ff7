package workers

// Sync runs h with Workers workers, each of which runs one call at a time. Its
// workers are scarce, so a request body is read in advance: up to 256 KiB into
// memory, beyond that into a temporary file. What a slow client does not take of a
// response waits in one, too. It uses Workers, QueueSize, QueueTimeout, Timeout and
// ResponseSpoolMax.
func Sync(h Handler, o Options) *Pool {
	o = o.withDefaults()
	return newPool("sync", h, o, o.Workers, true)
}
