package workers

// ASGI runs each call of h on a goroutine of its own. Bodies are streamed. What
// bounds the number of calls is the server's limit on connections. It uses Timeout.
func ASGI(h Handler, o Options) *Pool {
	return newPool("asgi", h, o.withDefaults(), 0, false)
}
