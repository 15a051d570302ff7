package urlpath

import "testing"

func TestCut(t *testing.T) {
	for _, c := range []struct {
		raw, prefix, rest string
		ok                bool
	}{
		{"/static/a.css", "/static", "/a.css", true},
		{"/static", "/static", "", true},
		{"/static/", "/static", "/", true},
		{"/statics/a", "/static", "", false},
		{"/Static/a", "/static", "", false},
		{"/a", "", "/a", true},
		{"*", "", "", false},
		{"", "", "", true},
		{"/%73tatic/a%20b", "/static", "/a%20b", true},
		{"/static%2Fa", "/static", "", false},
		{"%2fstatic/a", "/static", "", false},
		{"/stati%zz/a", "/static", "", false},
		{"/stati%6", "/static", "", false},
		{"/é/x", "/é", "/x", true},
		{"/%C3%A9/x", "/é", "/x", true},
	} {
		rest, ok := Cut([]byte(c.raw), c.prefix)
		if ok != c.ok || ok && string(rest) != c.rest {
			t.Errorf("%q under %q: %q, %t; want %q, %t", c.raw, c.prefix, rest, ok, c.rest, c.ok)
		}
	}
}
