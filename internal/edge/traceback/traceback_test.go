package traceback

import (
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

func request(accept string, fields ...string) asteri.Request {
	r := asteri.Request{Authority: []byte("127.0.0.1:8000"), Peer: &asteri.Peer{Remote: netip.MustParseAddrPort("[::1]:9"), Network: "tcp"}}
	r.Header.Add("Accept", accept)
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

const html = "text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"

func TestPage(t *testing.T) {
	dir := t.TempDir()
	own, other := filepath.Join(dir, "app.py"), filepath.Join(dir, "library.py")
	for _, file := range []string{own, other} {
		if err := os.WriteFile(file, []byte("import os\n\ndef f(<b>):\n    return secret_of_"+filepath.Base(file)+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	page := New(Failure{
		What: "app:app cannot be started", Message: "NameError: name '<x>' is not defined", Hint: "define it",
		Traceback: "Traceback (most recent call last):\n" +
			"  File \"" + own + "\", line 4, in f\n    return x\n           ^\n" +
			"KeyError: 'first'\n\nDuring handling of the above exception, another exception occurred:\n\nTraceback (most recent call last):\n" +
			"  File \"" + other + "\", line 4, in <module>\n    f(\"<script>\")\n" +
			"  File \"" + filepath.Join(dir, "gone.py") + "\", line 9\n    x = = 1\n" +
			"NameError: name '<x>' is not defined\n",
		Own: func(file string) bool { return file != other },
	})
	text, shown := string(page.text), string(page.html)
	for _, want := range []string{"app:app cannot be started", "NameError: name '<x>' is not defined", "define it", "line 4, in f"} {
		if !strings.Contains(text, want) {
			t.Errorf("the text has no %q", want)
		}
	}
	for _, want := range []string{
		"NameError: name &#39;&lt;x&gt;&#39; is not defined", "secret_of_app.py", "def f(&lt;b&gt;):", "f(&#34;&lt;script&gt;&#34;)",
		"During handling of the above exception", "KeyError", "gone.py:9", "x = = 1", `class="here"`,
	} {
		if !strings.Contains(shown, want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, not := range []string{"<script", "<b>", "secret_of_library.py", "http://", "https://"} {
		if strings.Contains(shown, not) {
			t.Errorf("the page has %q", not)
		}
	}
}

// A worker names files. What is none, or does not end, is not read.
func TestWhatIsNoFileIsNotShown(t *testing.T) {
	for _, file := range []string{"/dev/zero", "/dev/stdin", t.TempDir(), "/none"} {
		page := New(Failure{Traceback: "  File \"" + file + "\", line 1, in f\n    said\n", Own: func(string) bool { return true }})
		if !strings.Contains(string(page.html), "said") || strings.Contains(string(page.html), `class="here"`) {
			t.Errorf("%s is shown", file)
		}
	}
}

func TestLongTracebacks(t *testing.T) {
	file := filepath.Join(t.TempDir(), "a.py")
	if err := os.WriteFile(file, []byte(strings.Repeat("x", 100_000)+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	page := New(Failure{Traceback: strings.Repeat("  File \""+file+"\", line 1, in f\n    said\n", 3000), Own: func(string) bool { return true }})
	if n := len(page.html); n > 1<<20 {
		t.Errorf("a page of %d bytes", n)
	}
}

func TestWhoSeesIt(t *testing.T) {
	page := New(Failure{What: "app", Message: "broken <b>"})
	e := exchangetest.NewExecutor(t)
	far := request(html)
	far.Peer = &asteri.Peer{Remote: netip.MustParseAddrPort("192.168.1.2:9"), Network: "tcp"}
	foreign := request(html)
	foreign.Authority = []byte("evil.example:8000")
	spoken := request(html)
	spoken.Peer = &asteri.Peer{Remote: spoken.Peer.Remote, Proxy: &asteri.Proxy{}}
	for name, c := range map[string]struct {
		request asteri.Request
		served  bool
		status  int
		body    string
	}{
		"a browser":                     {request(html), true, 500, "broken &lt;b&gt;"},
		"another client":                {request("*/*"), true, 500, "broken <b>"},
		"a browser, at the start":       {request(html), false, 500, "broken &lt;b&gt;"},
		"a WebSocket":                   {request(html, "Upgrade", "websocket"), true, 200, "old"},
		"another machine":               {far, true, 200, "old"},
		"another machine, at the start": {far, false, 503, ""},
		"through a proxy":               {request(html, "X-Real-IP", "127.0.0.1"), true, 200, "old"},
		"a proxy that is trusted":       {spoken, true, 200, "old"},
		"by a name of others'":          {foreign, true, 200, "old"},
	} {
		h := Handler(asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(200, nil, []byte("old")) }), Options{
			Standing: func() *Page { return page }, Serving: func() bool { return c.served },
		})
		got := exchangetest.New(t, e, c.request).Answer(h)
		if got.Status != c.status || !strings.Contains(string(got.Body), c.body) {
			t.Errorf("%s: %d %s", name, got.Status, got.Body)
		}
	}
}

func TestFailuresOfRequests(t *testing.T) {
	failure, other := errors.New("failed"), errors.New("another cause")
	o := Options{
		Standing: func() *Page { return nil },
		Of:       func(cause error) (Failure, bool) { return Failure{Message: "why"}, cause == failure },
	}
	e := exchangetest.NewExecutor(t)
	abort := func(cause error, before func(x asteri.Exchange)) asteri.Handler {
		return Handler(asteri.HandlerFunc(func(x asteri.Exchange) { before(x); x.Abort(cause) }), o)
	}
	nothing := func(asteri.Exchange) {}
	begun := func(x asteri.Exchange) { _ = x.Start(200, nil) }
	if got := exchangetest.New(t, e, request(html)).Answer(abort(failure, nothing)); got.Status != 500 || !strings.Contains(string(got.Body), "why") {
		t.Errorf("%d %s %v", got.Status, got.Body, got.Err)
	}
	if got := exchangetest.New(t, e, request(html)).Answer(abort(other, nothing)); got.Err != other {
		t.Errorf("another cause: %v", got.Err)
	}
	if got := exchangetest.New(t, e, request(html)).Answer(abort(failure, begun)); got.Err != failure {
		t.Errorf("within a response: %v", got.Err)
	}
	if got := exchangetest.New(t, e, request(html, "Forwarded", "for=x")).Answer(abort(failure, nothing)); got.Err != failure {
		t.Errorf("through a proxy: %v", got.Err)
	}
}
