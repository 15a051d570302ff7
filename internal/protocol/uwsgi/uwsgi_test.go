package uwsgi

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"os"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
)

// packet makes a packet of "NAME=value" variables.
func packet(variables ...string) []byte {
	var b []byte
	str := func(s string) {
		b = append(binary.LittleEndian.AppendUint16(b, uint16(len(s))), s...)
	}
	for _, v := range variables {
		name, value, _ := strings.Cut(v, "=")
		str(name)
		str(value)
	}
	return append(binary.LittleEndian.AppendUint16([]byte{0}, uint16(len(b))), append([]byte{0}, b...)...)
}

var limits = asteri.NewSettings(nil).Limits

func parse(p []byte) (*asteri.Request, *asteri.StatusError) {
	r := &asteri.Request{Peer: &asteri.Peer{
		Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:9"), Local: netip.MustParseAddrPort("127.0.0.1:8"),
	}}
	return r, gateway{}.ParseHead(p, r, &limits)
}

// show writes all of a request on some lines.
func show(r *asteri.Request) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s %v %s://%s path %s query %s length %d", r.Method, r.Target, r.Proto, r.Scheme, r.Authority, r.Path, r.Query, r.ContentLength)
	fmt.Fprintf(&b, "\nfrom %v to %v root %q user %q", r.Peer.Remote, r.Peer.Local, r.Peer.Proxy.Root, r.Peer.Proxy.User)
	for _, f := range r.Header.Fields() {
		fmt.Fprintf(&b, "\n%s: %s", f.Name, f.Value)
	}
	return b.String()
}

// What nginx has sent, with Debian's uwsgi_params: see testdata.
func TestRecorded(t *testing.T) {
	for file, want := range map[string]string{
		"nginx-1.22-get.bin": `GET /a/b/c?q=%20x HTTP/1.1 http://127.0.0.1 path /a/b/c query q=%20x length 0
from 127.0.0.1:59240 to invalid AddrPort root "" user ""
user-agent: curl/7.88.1
accept: */*
x-one: 1
x-one: 2
host: 127.0.0.1`,
		"nginx-1.22-post.bin": `POST /post HTTP/1.1 http://127.0.0.1 path /post query  length 11
from 127.0.0.1:59250 to invalid AddrPort root "" user ""
user-agent: curl/7.88.1
accept: */*
host: 127.0.0.1
content-type: application/x-www-form-urlencoded
content-length: 11`,
		"nginx-1.22-chunked.bin": `POST /chunked HTTP/1.1 http://127.0.0.1 path /chunked query  length 6
from 127.0.0.1:59254 to invalid AddrPort root "" user ""
user-agent: curl/7.88.1
accept: */*
host: 127.0.0.1
content-type: application/x-www-form-urlencoded
content-length: 6`,
	} {
		p, err := os.ReadFile("testdata/" + file)
		if err != nil {
			t.Fatal(err)
		}
		size, refusal := gateway{}.HeadSize(p)
		if refusal != nil || size > len(p) {
			t.Fatalf("%s: %d of %d bytes, %v", file, size, len(p), refusal)
		}
		r, refusal := parse(p[:size])
		if refusal != nil || show(r) != want {
			t.Errorf("%s: %v\n%s\nwant\n%s", file, refusal, show(r), want)
		}
		if int64(len(p)-size) != r.ContentLength {
			t.Errorf("%s: %d bytes of content, %d announced", file, len(p)-size, r.ContentLength)
		}
	}
}

func TestRequest(t *testing.T) {
	for name, tc := range map[string]struct {
		variables []string
		want      string
	}{
		"all": {[]string{
			"REQUEST_METHOD=GET", "REQUEST_URI=/x", "PATH_INFO=/x", "QUERY_STRING=", "SERVER_PROTOCOL=HTTP/2.0", "HTTPS=on", "REQUEST_SCHEME=https",
			"REMOTE_ADDR=2001:db8::1", "REMOTE_PORT=77", "SERVER_ADDR=192.0.2.1", "SERVER_PORT=443", "SERVER_NAME=site", "REMOTE_USER=bob",
			"HTTP_HOST=example.org:444", "HTTP_X_FORWARDED_FOR= 1.2.3.4 ", "DOCUMENT_ROOT=/srv",
		}, "GET /x HTTP/2 https://example.org:444 path /x query  length 0\nfrom [2001:db8::1]:77 to 192.0.2.1:443 root \"\" user \"bob\"\n" +
			"x-forwarded-for: 1.2.3.4\nhost: example.org:444"},
		"the least": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/?a"},
			"GET /?a HTTP/1.1 http:// path / query a length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"without REQUEST_URI": {[]string{"REQUEST_METHOD=GET", "PATH_INFO=/a b/\xc3\xa9", "QUERY_STRING=x=1", "SERVER_NAME=site"},
			"GET /a%20b/%C3%A9?x=1 HTTP/1.1 http://site path /a%20b/%C3%A9 query x=1 length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"site with a pattern": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/", "SERVER_NAME=~^(www\\.)?a/b$"},
			"GET / HTTP/1.1 http:// path / query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"rewritten": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/old?q=1", "PATH_INFO=/new", "QUERY_STRING=q=2"},
			"GET /new?q=2 HTTP/1.1 http:// path /new query q=2 length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"as written where it means the same": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/a%2fb%20c", "PATH_INFO=/a/b c"},
			"GET /a%2fb%20c HTTP/1.1 http:// path /a%2fb%20c query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"mounted": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/app/x%20", "PATH_INFO=/x ", "SCRIPT_NAME=/app/"},
			"GET /app/x%20 HTTP/1.1 http:// path /app/x%20 query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"/app\" user \"\""},
		"mounted, root included": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/app/x", "PATH_INFO=/app/x", "SCRIPT_NAME=/app"},
			"GET /app/x HTTP/1.1 http:// path /app/x query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"/app\" user \"\""},
		"mounted, its root": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/app", "PATH_INFO=", "SCRIPT_NAME=/app"},
			"GET /app HTTP/1.1 http:// path /app query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"/app\" user \"\""},
		"the last one counts": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/", "REQUEST_METHOD=POST", "HTTP_HOST=a", "HTTP_HOST=b", "CONTENT_LENGTH=1", "CONTENT_LENGTH=2"},
			"POST / HTTP/1.1 http://b path / query  length 2\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\"\nhost: b\ncontent-length: 2"},
		"connection fields": {[]string{"REQUEST_METHOD=GET", "REQUEST_URI=/", "HTTP_CONNECTION=keep-alive", "HTTP_TRANSFER_ENCODING=chunked",
			"HTTP_EXPECT=100-continue", "HTTP_UPGRADE=x", "HTTP_TE=trailers", "HTTP_CONTENT_LENGTH=7", "HTTP_CONTENT_TYPE=x"},
			"GET / HTTP/1.1 http:// path / query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
		"Unix client": {[]string{"REQUEST_METHOD=OPTIONS", "REQUEST_URI=*", "REMOTE_ADDR=unix:", "REMOTE_PORT="},
			"OPTIONS * HTTP/1.1 http:// path * query  length 0\nfrom invalid AddrPort to invalid AddrPort root \"\" user \"\""},
	} {
		r, refusal := parse(packet(tc.variables...))
		if refusal != nil || show(r) != tc.want {
			t.Errorf("%s: %v\n%s\nwant\n%s", name, refusal, show(r), tc.want)
		}
	}
}

// TestRoute: what a proxy passes on is routed by the normal form, too.
func TestRoute(t *testing.T) {
	for _, c := range []struct {
		variables []string
		route     string
		ambiguous bool
	}{
		{[]string{"REQUEST_URI=/a/../b"}, "/b", false},
		{[]string{"REQUEST_URI=/a/%2e%2e/b"}, "/b", false},
		{[]string{"REQUEST_URI=/a/..%2fb"}, "/a/..%2Fb", true},
		{[]string{"REQUEST_URI=/a/../b", "PATH_INFO=/b"}, "/b", false},
		{[]string{"PATH_INFO=/a/../b"}, "/b", false},
	} {
		r, refusal := parse(packet(append(c.variables, "REQUEST_METHOD=GET")...))
		if refusal != nil || string(r.Route) != c.route || r.Ambiguous != c.ambiguous {
			t.Errorf("%q: %v, %q, %t", c.variables, refusal, r.Route, r.Ambiguous)
		}
	}
}

func TestRefused(t *testing.T) {
	get := []string{"REQUEST_METHOD=GET", "REQUEST_URI=/"}
	with := func(more ...string) []byte { return packet(append(get[:2:2], more...)...) }
	cut := with("HTTP_A=b")
	for name, tc := range map[string]struct {
		packet []byte
		code   int
	}{
		"nothing":          {packet(), 400},
		"no method":        {packet("REQUEST_URI=/"), 400},
		"no path":          {packet("REQUEST_METHOD=GET"), 400},
		"method":           {packet("REQUEST_METHOD=G T", "REQUEST_URI=/"), 400},
		"CONNECT":          {packet("REQUEST_METHOD=CONNECT", "REQUEST_URI=/"), 501},
		"relative":         {packet("REQUEST_METHOD=GET", "REQUEST_URI=x"), 400},
		"asterisk":         {packet("REQUEST_METHOD=GET", "REQUEST_URI=*"), 400},
		"space":            {packet("REQUEST_METHOD=GET", "REQUEST_URI=/a b"), 400},
		"escape":           {packet("REQUEST_METHOD=GET", "REQUEST_URI=/%zz"), 400},
		"line end":         {packet("REQUEST_METHOD=GET", "REQUEST_URI=/\r\nX: y"), 400},
		"query":            {with("QUERY_STRING=a\nb"), 400},
		"host":             {with("HTTP_HOST=a/b"), 400},
		"field name":       {with("HTTP_A B=c"), 400},
		"field value":      {with("HTTP_A=b\r\nc"), 400},
		"content type":     {with("CONTENT_TYPE=a\x00"), 400},
		"length":           {with("CONTENT_LENGTH=-1"), 400},
		"length, hex":      {with("CONTENT_LENGTH=0x10"), 400},
		"length, huge":     {with("CONTENT_LENGTH=99999999999999999999"), 413},
		"long URI":         {packet("REQUEST_METHOD=GET", "REQUEST_URI=/"+strings.Repeat("a", 5000)), 414},
		"long field":       {with("HTTP_A=" + strings.Repeat("a", 9000)), 431},
		"many fields":      {with(strings.Split(strings.Repeat("HTTP_A=b ", 101), " ")[:101]...), 431},
		"cut in a value":   {cut[:len(cut)-1], 400},
		"cut in a size":    {cut[:len(cut)-2], 400},
		"cut in a name":    {cut[:len(cut)-5], 400},
		"size beyond":      {append(packet(), 0xff, 0xff, 'a'), 400},
		"half of a size":   {append(packet(), 1), 400},
		"name, no value":   {append(packet(), 1, 0, 'a'), 400},
		"empty field name": {with("HTTP_=x"), 200},
	} {
		_, refusal := parse(tc.packet)
		if code := codeOf(refusal); code != tc.code {
			t.Errorf("%s: %d, %v; want %d", name, code, refusal, tc.code)
		}
	}
}

func codeOf(refusal *asteri.StatusError) int {
	if refusal == nil {
		return 200
	}
	return refusal.Code
}

func TestHeadSize(t *testing.T) {
	p := packet("A=b")
	for n := 1; n <= len(p); n++ {
		want := len(p)
		if n < headerSize {
			want = 0
		}
		if size, refusal := (gateway{}).HeadSize(p[:n]); size != want || refusal != nil {
			t.Errorf("%d bytes: %d, %v", n, size, refusal)
		}
	}
	if _, refusal := (gateway{}).HeadSize([]byte{5, 0, 0, 0}); refusal == nil {
		t.Error("another kind of packet passes")
	}
}

func TestAllow(t *testing.T) {
	set, err := addrset.Parse([]string{"10.0.0.0/8", "unix"})
	if err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		peer asteri.Peer
		ok   bool
	}{
		"listed":         {asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("10.0.0.1:1")}, true},
		"not listed":     {asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:1")}, false},
		"Unix socket":    {asteri.Peer{Network: "unix"}, true},
		"behind a proxy": {asteri.Peer{Network: "unix", Proxy: &asteri.Proxy{}}, false},
		"anonymous":      {asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("10.0.0.1:1"), Proxy: &asteri.Proxy{Anonymous: true}}, false},
		"named":          {asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("10.0.0.1:1"), Proxy: &asteri.Proxy{}}, true},
		"unknown":        {asteri.Peer{Network: "tcp", Proxy: &asteri.Proxy{}}, false},
	} {
		if refusal := (gateway{set}).Allow(&tc.peer); (refusal == nil) != tc.ok {
			t.Errorf("%s: %v", name, refusal)
		}
	}
	if (gateway{nil}).Allow(&asteri.Peer{Network: "unix"}) == nil {
		t.Error("whoever may connect to a Unix socket is believed")
	}
}

func FuzzParseHead(f *testing.F) {
	f.Add(packet("REQUEST_METHOD=GET", "REQUEST_URI=/a%20b?c", "PATH_INFO=/a b", "SCRIPT_NAME=/a", "HTTP_HOST=h", "CONTENT_LENGTH=3"))
	f.Add(packet("REQUEST_METHOD=GET", "PATH_INFO=/\xff?#%", "SERVER_NAME=s", "HTTP_X_Y=1"))
	f.Fuzz(func(t *testing.T, p []byte) {
		if len(p) < headerSize {
			return
		}
		r, refusal := parse(p)
		if refusal != nil {
			if refusal.Code < 400 || refusal.Code > 599 {
				t.Fatalf("refused with %d", refusal.Code)
			}
			return
		}
		for _, line := range [][]byte{r.Target, r.Path, r.Query, r.Authority} {
			if strings.ContainsAny(string(line), "\r\n \x00") {
				t.Fatalf("passes: %q", line)
			}
		}
		for _, field := range r.Header.Fields() {
			if strings.ContainsAny(string(field.Name), "\r\n :_\x00") || strings.ContainsAny(string(field.Value), "\r\n\x00") {
				t.Fatalf("passes: %q: %q", field.Name, field.Value)
			}
		}
		if r.ContentLength < 0 || r.Header.Len() > limits.Fields || r.Peer.Remote == netip.MustParseAddrPort("127.0.0.1:9") && !strings.Contains(string(p), "127.0.0.1") {
			t.Fatalf("%s", show(r))
		}
	})
}
