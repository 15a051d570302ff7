//go:build linux

package suite

import "testing"

// The models by what they can run.
var (
	wsgiModels    = []string{"sync", "gthread", "gevent", "tornado", "gtornado", "asgi"}
	tornadoModels = []string{"tornado", "gtornado"}
)

// matrix serves one application under each model, plain and over TLS, in HTTP/1.1,
// HTTP/2 and HTTP/3, and runs the checks against each. All share a server: without a
// certificate of its own one port takes plain text and TLS. After the checks the server
// must have given back every descriptor that they used.
func matrix(t *testing.T, name string, models []string, more []string, checks map[string]func(t *testing.T, s *server, c *client)) {
	for _, model := range models {
		t.Run(model, func(t *testing.T) {
			t.Parallel()
			s := start(t, app(name, model, append([]string{"--http-protocols", "h1,h2,h3"}, more...)...)...)
			before := descriptors(t, s.pid)
			for _, scheme := range []string{"http", "https", "h2c", "h2", "h3"} {
				t.Run(scheme, func(t *testing.T) {
					for what, check := range checks {
						t.Run(what, func(t *testing.T) { check(t, s.in(t), s.over(t, scheme)) })
					}
				})
			}
			s.quietly(before)
		})
	}
}
