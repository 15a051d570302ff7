package config

import (
	"slices"
	"strings"
	"testing"
)

// HTTP/3 is on where clients will take it, and refused where it cannot be.
func TestHTTPProtocols(t *testing.T) {
	certificate := []string{"--certfile", "c.pem"}
	for _, test := range []struct {
		args []string
		want string // the versions, or a part of the error
	}{
		{nil, "h1,h2"},
		{certificate, "h1,h2,h3"},
		{append([]string{"-l", "unix:/run/a"}, certificate...), "h1,h2,h3"},
		{append([]string{"--proxy-protocol", "v2"}, certificate...), "h1,h2"},
		{append([]string{"--http-protocols", "h1"}, certificate...), "h1"},
		{[]string{"--http-protocols", "http/1.1,http/3"}, "h1,h3"},
		{[]string{"--http-protocols", "h3"}, "add h1 or h2"},
		{[]string{"--http-protocols", "h1,h3", "--protocols", "http"}, "over TLS only"},
		{[]string{"--http-protocols", "h1,h3", "-l", "unix:/run/a"}, "needs a port"},
	} {
		c, err := load(t, "", nil, test.args...)
		switch {
		case err != nil && !strings.Contains(err.Error(), test.want):
			t.Errorf("%q: %v", test.args, err)
		case err == nil && !slices.Equal(c.Server.HTTP.Versions, strings.Split(test.want, ",")):
			t.Errorf("%q: %q, want %s", test.args, c.Server.HTTP.Versions, test.want)
		}
	}
}
