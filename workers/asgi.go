package workers

// ASGI runs each call of h on a goroutine of its own. Bodies are streamed. What
// bounds the number of calls is the server's limit on connections. It uses no
// options.
func ASGI(h Handler, o Options) *Pool {
	return &Pool{handler: h, options: o.withDefaults()}
}
