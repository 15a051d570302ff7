package forwarded

import (
	"crypto/tls"
	"crypto/x509"
	"net/netip"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/bounds/addrset"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func trusting(t testing.TB, names ...string) *addrset.Set {
	t.Helper()
	s, err := addrset.Parse(names)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// request makes a request of a client on this machine, with fields "Name: value".
func request(fields ...string) *asteri.Request {
	r := &asteri.Request{
		Method: "GET", Proto: asteri.HTTP11, Scheme: "http", Authority: []byte("inside"),
		Target: []byte("/"), Path: []byte("/"),
		Peer: &asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:4000"), Local: netip.MustParseAddrPort("127.0.0.1:80")},
	}
	for _, f := range fields {
		name, value, _ := strings.Cut(f, ": ")
		r.Header.Add(name, value)
	}
	return r
}

// outcome is what has become of a request: client, scheme and authority, or why it
// was refused.
func outcome(h *handler, r *asteri.Request) string {
	if refusal := h.apply(r); refusal != nil {
		return refusal.Error()
	}
	return r.Peer.Remote.String() + " " + r.Scheme + " " + string(r.Authority)
}

func newHandler(o Options) *handler { return Handler(nil, o).(*handler) }

func TestForwarded(t *testing.T) {
	const (
		peer     = "127.0.0.1:4000 http inside"
		conflict = "400 Bad Request: fields tell different schemes"
	)
	o := Options{Trusted: trusting(t, "127.0.0.1", "10.0.0.0/8", "2001:db8:1::/48"), Host: true}
	for _, tc := range []struct {
		fields []string
		want   string
	}{
		{nil, peer},
		{[]string{"X-Forwarded-For: 192.0.2.1"}, "192.0.2.1:0 http inside"},
		{[]string{"x-forwarded-for: 192.0.2.1:5000"}, "192.0.2.1:5000 http inside"},
		{[]string{"X-Forwarded-For: 2001:db8::1"}, "[2001:db8::1]:0 http inside"},
		{[]string{"X-Forwarded-For: [2001:db8::1]"}, "[2001:db8::1]:0 http inside"},
		{[]string{"X-Forwarded-For: [2001:db8::1]:99"}, "[2001:db8::1]:99 http inside"},
		{[]string{"X-Forwarded-For: ::ffff:192.0.2.1"}, "192.0.2.1:0 http inside"},
		// As far as trusted proxies wrote it, and no farther.
		{[]string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1"}, "192.0.2.1:0 http inside"},
		{[]string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1, 10.1.1.1"}, "192.0.2.1:0 http inside"},
		{[]string{"X-Forwarded-For: 6.6.6.6", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-For: 2001:db8:1::5,10.1.1.1"}, "192.0.2.1:0 http inside"},
		{[]string{"X-Forwarded-For: 6.6.6.6,192.0.2.1 , ,10.1.1.1,,"}, "192.0.2.1:0 http inside"},
		{[]string{"X-Forwarded-For: 10.9.9.9, 10.1.1.1"}, "10.9.9.9:0 http inside"},
		{[]string{"X-Forwarded-For: 192.0.2.1, unknown, 10.1.1.1"}, "10.1.1.1:0 http inside"},
		{[]string{"X-Forwarded-For: unknown"}, peer},
		{[]string{"X-Forwarded-For: "}, peer},
		{[]string{"X-Forwarded-For: 192.0.2.1, 300.1.1.1"}, peer},
		{[]string{"X-Forwarded-For: 192.0.2.1:x"}, peer},
		{[]string{"X-Forwarded-For: 192.0.2.1:70000"}, peer},
		{[]string{"X-Forwarded-For: [192.0.2.1]"}, peer},
		{[]string{"X-Forwarded-For: [2001:db8::1]x"}, peer},
		{[]string{"X-Forwarded-For: fe80::1%eth0"}, peer},
		{[]string{"X-Forwarded-For: " + strings.Repeat("1", 9000)}, peer},

		{[]string{"X-Forwarded-Proto: https"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Proto: HTTPS"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Proto: wss"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Proto: http"}, peer},
		{[]string{"X-Forwarded-Proto: "}, peer},
		{[]string{"X-Forwarded-Ssl: on"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Protocol: ssl"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Proto: https", "X-Forwarded-Ssl: on"}, "127.0.0.1:4000 https inside"},
		{[]string{"X-Forwarded-Proto: http", "X-Forwarded-Ssl: on"}, conflict},
		{[]string{"X-Forwarded-Proto: https", "X-Forwarded-Ssl: off"}, conflict},
		{[]string{"X-Forwarded-Proto: http", "X-Forwarded-Proto: https"}, conflict},
		// The proxy that says who the client is also says how it came.
		{[]string{"X-Forwarded-For: 192.0.2.1, 10.1.1.1", "X-Forwarded-Proto: https, http"}, "192.0.2.1:0 https inside"},
		{[]string{"X-Forwarded-For: 6.6.6.6, 192.0.2.1", "X-Forwarded-Proto: https, http"}, "192.0.2.1:0 http inside"},
		{[]string{"X-Forwarded-For: 192.0.2.1, 10.1.1.1", "X-Forwarded-Proto: https"}, "192.0.2.1:0 https inside"},
		{[]string{"X-Forwarded-Proto: http, https"}, "127.0.0.1:4000 https inside"},

		{[]string{"X-Forwarded-Host: example.org"}, "127.0.0.1:4000 http example.org"},
		{[]string{"X-Forwarded-Host: example.org", "X-Forwarded-Port: 8080"}, "127.0.0.1:4000 http example.org:8080"},
		{[]string{"X-Forwarded-Host: example.org", "X-Forwarded-Port: 80"}, "127.0.0.1:4000 http example.org"},
		{[]string{"X-Forwarded-Host: example.org", "X-Forwarded-Port: 443", "X-Forwarded-Proto: https"}, "127.0.0.1:4000 https example.org"},
		{[]string{"X-Forwarded-Host: [2001:db8::1]", "X-Forwarded-Port: 81"}, "127.0.0.1:4000 http [2001:db8::1]:81"},
		{[]string{"X-Forwarded-Host: example.org:90", "X-Forwarded-Port: 81"}, "127.0.0.1:4000 http example.org:90"},
		{[]string{"X-Forwarded-Host: example.org, inner"}, "127.0.0.1:4000 http inner"},
		{[]string{"X-Forwarded-Host: a@b"}, "400 Bad Request: X-Forwarded-Host is not a host"},
		{[]string{"X-Forwarded-Host: a/b"}, "400 Bad Request: X-Forwarded-Host is not a host"},
		{[]string{"X-Forwarded-Host: a", "X-Forwarded-Port: x"}, "400 Bad Request: X-Forwarded-Port is not a port"},
		{[]string{"X-Forwarded-Host: a", "X-Forwarded-Port: 0"}, "400 Bad Request: X-Forwarded-Port is not a port"},

		// RFC 7239, with its own examples.
		{[]string{`Forwarded: for="_gazonk"`}, peer},
		{[]string{`Forwarded: For="[2001:db8:cafe::17]:4711"`}, "[2001:db8:cafe::17]:4711 http inside"},
		{[]string{`Forwarded: for=192.0.2.60;proto=http;by=203.0.113.43`}, "192.0.2.60:0 http inside"},
		{[]string{`Forwarded: for=192.0.2.43, for=198.51.100.17`}, "198.51.100.17:0 http inside"},
		{[]string{`Forwarded: for=192.0.2.43, for=10.0.0.17`}, "192.0.2.43:0 http inside"},
		{[]string{`Forwarded: for=192.0.2.43`, `Forwarded: for=10.0.0.17;proto=https`}, "192.0.2.43:0 https inside"},
		{[]string{`Forwarded: for=192.0.2.43;proto=http, for=10.0.0.17;proto=https`}, "192.0.2.43:0 http inside"},
		{[]string{`Forwarded: for="192.0.2.43:_port";host=example.org;proto=https`}, "192.0.2.43:0 https example.org"},
		{[]string{`Forwarded: for="192.0.2.43:47\1\1" ; host="example.org:81"`}, "192.0.2.43:4711 http example.org:81"},
		{[]string{`Forwarded: proto=https`}, "127.0.0.1:4000 https inside"},
		{[]string{`Forwarded: , ;proto=https;, ,`}, "127.0.0.1:4000 https inside"},
		{[]string{`Forwarded: for=6.6.6.6;proto=https, for=unknown`}, peer},
		{[]string{`Forwarded: for=192.0.2.1;secret="a, b; for=6.6.6.6"`}, "192.0.2.1:0 http inside"},
		{[]string{`Forwarded: for=192.0.2.1:80`}, "192.0.2.1:80 http inside"}, // unquoted, as some write it
		{[]string{`Forwarded: `}, peer},

		// Both: they must agree.
		{[]string{"Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-For: 192.0.2.1:7", "X-Forwarded-Proto: https"}, "192.0.2.1:7 https inside"},
		{[]string{"Forwarded: for=6.6.6.6", "X-Forwarded-For: 192.0.2.1"}, "400 Bad Request: Forwarded and X-Forwarded fields disagree"},
		{[]string{"Forwarded: for=192.0.2.1;proto=https", "X-Forwarded-For: 192.0.2.1"}, "192.0.2.1:0 http inside"},
		{[]string{"Forwarded: proto=http", "X-Forwarded-Proto: https"}, "400 Bad Request: Forwarded and X-Forwarded fields disagree"},
	} {
		if got := outcome(newHandler(o), request(tc.fields...)); got != tc.want {
			t.Errorf("%q: %s; want %s", tc.fields, got, tc.want)
		}
	}
}

func TestForwardedMalformed(t *testing.T) {
	h := newHandler(Options{Trusted: trusting(t, "127.0.0.1")})
	for _, value := range []string{
		`for`, `for=`, `=1`, `for="192.0.2.1`, `for="192.0.2.1\`, `for="\"`, `for=192.0.2.1 proto=http`, `for=1"2"`, `for="1"2`,
		`fo r=1`, `for =1`, `for=192.0.2.1;for=192.0.2.2`, `proto=http;PROTO=https`, `host=a;host=a`, `by=_a;by=_b`, `for="a", for="`,
	} {
		if got := outcome(h, request("Forwarded: "+value)); got != "400 Bad Request: Forwarded is malformed" {
			t.Errorf("%s: %s", value, got)
		}
	}
}

// Nobody but a trusted peer is believed.
func TestWhoIsTrusted(t *testing.T) {
	const none = "invalid AddrPort"
	for name, tc := range map[string]struct {
		trusted []string
		peer    asteri.Peer
		want    string
	}{
		"listed":         {[]string{"192.0.2.0/24"}, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("192.0.2.9:1")}, "8.8.8.8:0"},
		"mapped":         {[]string{"192.0.2.0/24"}, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("[::ffff:192.0.2.9]:1")}, "8.8.8.8:0"},
		"not listed":     {[]string{"192.0.2.0/24"}, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("192.0.3.9:1")}, "192.0.3.9:1"},
		"nobody":         {nil, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("127.0.0.1:1")}, "127.0.0.1:1"},
		"everyone":       {[]string{"*"}, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("192.0.3.9:1")}, "6.6.6.6:0"},
		"Unix socket":    {[]string{"unix"}, asteri.Peer{Network: "unix"}, "8.8.8.8:0"},
		"stranger there": {[]string{"127.0.0.1", "::1"}, asteri.Peer{Network: "unix"}, none},
		"behind unknown": {[]string{"*"}, asteri.Peer{Network: "unix", Proxy: &asteri.Proxy{}}, none},
		"anonymous":      {[]string{"192.0.2.0/24"}, asteri.Peer{Network: "tcp", Remote: netip.MustParseAddrPort("192.0.2.9:1"), Proxy: &asteri.Proxy{Anonymous: true}}, "192.0.2.9:1"},
		"unknown on TCP": {[]string{"*"}, asteri.Peer{Network: "tcp", Proxy: &asteri.Proxy{}}, none},
	} {
		h := newHandler(Options{Trusted: trusting(t, tc.trusted...), Host: true})
		r := request("X-Forwarded-For: 6.6.6.6, 8.8.8.8", "X-Forwarded-Proto: https", "X-Forwarded-Host: evil")
		shared := tc.peer
		r.Peer = &shared
		if h.apply(r) != nil || r.Peer.Remote.String() != tc.want {
			t.Errorf("%s: the client is %v, want %s", name, r.Peer.Remote, tc.want)
		}
		believed := r.Peer != &shared
		if (r.Scheme == "https") != believed || (string(r.Authority) == "evil") != believed {
			t.Errorf("%s: scheme %s, host %s", name, r.Scheme, r.Authority)
		}
		if shared != tc.peer {
			t.Errorf("%s: the connection's peer was changed", name)
		}
	}
}

func TestWhichFields(t *testing.T) {
	both := []string{"Forwarded: for=192.0.2.1;host=a;proto=https", "X-Forwarded-For: 192.0.2.2", "X-Forwarded-Host: b"}
	for fields, want := range map[Fields]string{
		XForwarded: "192.0.2.2:0 http inside",
		RFC7239:    "192.0.2.1:0 https inside", // the host is not asked for
	} {
		h := newHandler(Options{Trusted: trusting(t, "127.0.0.1"), Fields: fields})
		if got := outcome(h, request(both...)); got != want {
			t.Errorf("%d: %s, want %s", fields, got, want)
		}
	}
}

func TestOwnSecureScheme(t *testing.T) {
	h := newHandler(Options{Trusted: trusting(t, "127.0.0.1"), SecureSchemes: []SecureScheme{{"Front-End-Https", "on"}}})
	for in, want := range map[string]string{
		"front-end-https: on": "https", "front-end-https: off": "http", "X-Forwarded-Proto: https": "http",
	} {
		r := request(in)
		if h.apply(r) != nil || r.Scheme != want {
			t.Errorf("%s: %s", in, r.Scheme)
		}
	}
}

func TestUnderscores(t *testing.T) {
	named := func(r *asteri.Request) string {
		var b strings.Builder
		for _, f := range r.Header.Fields() {
			b.WriteString(string(f.Name) + "=" + string(f.Value) + " ")
		}
		if p := r.Peer.Proxy; p != nil {
			b.WriteString("root=" + p.Root + " user=" + p.User)
		}
		return strings.TrimSpace(b.String())
	}
	for name, tc := range map[string]struct {
		stranger bool
		refuse   bool
		headers  []string
		fields   []string
		want     string // "400" for a refusal
	}{
		"left to the worker":     {headers: []string{"SCRIPT_NAME"}, fields: []string{"X_Y: 1", "X-Y: 2"}, want: "X_Y=1 X-Y=2"},
		"refused":                {refuse: true, headers: []string{"SCRIPT_NAME"}, fields: []string{"X_Y: 1"}, want: "400"},
		"none to refuse":         {refuse: true, fields: []string{"X-Y: 1"}, want: "X-Y=1"},
		"root":                   {headers: []string{"SCRIPT_NAME"}, fields: []string{"Script_Name: /app/"}, want: "Script-Name=/app/ root=/app user="},
		"root and user":          {headers: []string{"SCRIPT_NAME", "REMOTE_USER"}, fields: []string{"SCRIPT_NAME: /app", "REMOTE_USER: bob"}, want: "SCRIPT-NAME=/app REMOTE-USER=bob root=/app user=bob"},
		"permitted, not refused": {refuse: true, headers: []string{"SCRIPT_NAME"}, fields: []string{"SCRIPT_NAME: /app"}, want: "SCRIPT-NAME=/app root=/app user="},
		"in place of the client's own": {headers: []string{"X_USER"}, fields: []string{"X-User: eve", "X_User: bob", "x-user: eve"},
			want: "X-User=bob"},
		"the client's own is no variable": {headers: []string{"SCRIPT_NAME", "REMOTE_USER"}, fields: []string{"SCRIPT_NAME: /app", "Remote-User: eve"},
			want: "SCRIPT-NAME=/app Remote-User=eve root=/app user="},
		"all":      {headers: []string{"*"}, fields: []string{"A_B: 1", "C_D: 2"}, want: "A-B=1 C-D=2"},
		"repeated": {headers: []string{"REMOTE_USER"}, fields: []string{"REMOTE_USER: eve", "Remote_User: bob"}, want: "400"},
		"stranger": {stranger: true, headers: []string{"*"}, fields: []string{"SCRIPT_NAME: /app"}, want: "SCRIPT_NAME=/app"},
		"stranger, refused": {stranger: true, refuse: true, headers: []string{"*"}, fields: []string{"SCRIPT_NAME: /app"},
			want: "400"},
	} {
		r := request(tc.fields...)
		if tc.stranger {
			r.Peer.Remote = netip.MustParseAddrPort("192.0.2.1:1")
		}
		h := newHandler(Options{Trusted: trusting(t, "127.0.0.1"), ForwarderHeaders: tc.headers, RefuseUnderscores: tc.refuse})
		refusal := h.apply(r)
		if (refusal != nil) != (tc.want == "400") || refusal == nil && named(r) != tc.want {
			t.Errorf("%s: %v, %s; want %s", name, refusal, named(r), tc.want)
		}
	}
}

// A request in which nothing is forwarded costs no memory.
func TestAllocations(t *testing.T) {
	h := newHandler(Options{Trusted: trusting(t, "127.0.0.1", "::1"), Host: true, RefuseUnderscores: true, ForwarderHeaders: []string{"SCRIPT_NAME"}})
	plain := request("Host: a", "User-Agent: curl", "Accept: */*", "Cookie: a=b")
	if n := testing.AllocsPerRun(100, func() { h.apply(plain) }); n != 0 {
		t.Errorf("%v allocations without forwarding", n)
	}
	forwarded := request("Host: a", "X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")
	peer := forwarded.Peer
	if n := testing.AllocsPerRun(100, func() { forwarded.Peer = peer; h.apply(forwarded) }); n > 2 {
		t.Errorf("%v allocations with forwarding", n)
	}
}

func TestHandler(t *testing.T) {
	app := asteri.HandlerFunc(func(x asteri.Exchange) {
		r := x.Request()
		_ = x.Respond(200, nil, []byte(r.Peer.Remote.String()+" "+r.Scheme))
	})
	h := Handler(app, Options{Trusted: trusting(t, "127.0.0.1")})
	e := exchangetest.NewExecutor(t)
	res := exchangetest.New(t, e, *request("X-Forwarded-For: 192.0.2.1", "X-Forwarded-Proto: https")).Answer(h)
	if res.Status != 200 || string(res.Body) != "192.0.2.1:0 https" || res.Kept {
		t.Errorf("%d %s", res.Status, res.Body)
	}
	res = exchangetest.New(t, e, *request("X-Forwarded-Ssl: on", "X-Forwarded-Proto: http")).Answer(h)
	if res.Err == nil || res.Err.Error() != "400 Bad Request: fields tell different schemes" {
		t.Errorf("%d, %v", res.Status, res.Err)
	}
}

// What a client writes in front of what the proxy appends never decides who the
// client is.
func FuzzSpoofing(f *testing.F) {
	for _, s := range []string{"", "6.6.6.6", `for="`, `for=6.6.6.6;proto=https`, "10.0.0.1, 10.0.0.2", `x="\`, "for=127.0.0.1", ",", ";", "[::1"} {
		f.Add(s)
	}
	trusted := trusting(f, "127.0.0.1", "10.0.0.0/8")
	f.Fuzz(func(t *testing.T, own string) {
		const client = "192.0.2.1"
		for _, fields := range [][]string{
			{"X-Forwarded-For: " + own + ", " + client},
			{"X-Forwarded-For: " + own, "X-Forwarded-For: " + client},
			{"X-Forwarded-For: " + own + ", " + client + ", 10.1.1.1"},
			{"Forwarded: " + own + ", for=" + client},
			{"Forwarded: " + own, "Forwarded: for=" + client},
			{"Forwarded: " + own + ", for=" + client + ";proto=http, for=10.1.1.1"},
			{"Forwarded: " + own, "X-Forwarded-For: " + client},
			{"X-Forwarded-For: " + client, "X-Forwarded-Proto: http", "Forwarded: " + own},
		} {
			r := request(fields...)
			h := newHandler(Options{Trusted: trusted, Host: true})
			if refusal := h.apply(r); refusal == nil && (r.Peer.Remote.Addr().String() != client || r.Scheme != "http") {
				t.Fatalf("%q: client %v, scheme %s", fields, r.Peer.Remote, r.Scheme)
			}
		}
	})
}

func BenchmarkNothingForwarded(b *testing.B) {
	h := newHandler(Options{Trusted: trusting(b, "127.0.0.1", "::1"), ForwarderHeaders: []string{"SCRIPT_NAME", "PATH_INFO"}})
	r := request("Host: localhost:8000", "Connection: keep-alive", "Cache-Control: max-age=0", "Upgrade-Insecure-Requests: 1",
		"User-Agent: Mozilla/5.0", "Accept: text/html", "Sec-Fetch-Site: none", "Sec-Fetch-Mode: navigate", "Sec-Fetch-User: ?1",
		"Sec-Fetch-Dest: document", "Accept-Encoding: gzip, deflate, br, zstd", "Accept-Language: en", "Cookie: session=1")
	b.ReportAllocs()
	for b.Loop() {
		h.apply(r)
	}
}

// A certificate is that of who has connected: not of a client for whom that one speaks.
func TestCertificateOfAProxy(t *testing.T) {
	h := newHandler(Options{Trusted: trusting(t, "127.0.0.1")})
	for fields, kept := range map[string]bool{"X-A: 1": true, "X-Forwarded-For: 192.0.2.1": false, "Forwarded: for=192.0.2.1": false} {
		state := &tls.ConnectionState{
			Version: tls.VersionTLS13, PeerCertificates: []*x509.Certificate{{}}, VerifiedChains: [][]*x509.Certificate{{}},
		}
		r := request(fields)
		r.Peer.TLS = state
		if refusal := h.apply(r); refusal != nil {
			t.Fatal(refusal)
		}
		got := r.Peer.TLS
		if len(got.PeerCertificates) == 1 != kept || len(got.VerifiedChains) == 1 != kept || got.Version != state.Version {
			t.Errorf("%s: %+v", fields, got)
		}
		if len(state.PeerCertificates) != 1 || len(state.VerifiedChains) != 1 {
			t.Errorf("%s: the connection's own state has changed", fields)
		}
	}
}
