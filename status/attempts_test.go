package status

import (
	"fmt"
	"net/netip"
	"strconv"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// Who guesses at the token is told to wait, in whichever way it is shown, and then
// even the token counts for nothing.
func TestGuessing(t *testing.T) {
	forged := newKeys("another token").newSession()
	for name, guess := range map[string]func(token string) query{
		"bearer": func(token string) query {
			return query{target: "/asteri-status", fields: []string{"Authorization", "Bearer " + token}}
		},
		"query": func(token string) query { return query{target: "/asteri-status?token=" + token} },
		"shared path": func(token string) query {
			return query{target: "/livez?token=" + token}
		},
		"form": func(token string) query {
			return query{method: "POST", target: "/asteri-status/login", body: "token=" + token, fields: []string{"Content-Type", "application/x-www-form-urlencoded"}}
		},
		"cookie": func(token string) query {
			session := newKeys(token).newSession()
			return query{target: "/asteri-status", fields: []string{"Cookie", "asteri-status-8000=" + session}}
		},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMonitor(t, Options{})
			front, admin := m.Handler(application), m.Admin()
			from := func(q query, remote string) query { q.remote = remote; return q }
			for i := range guessBurst {
				if got := ask(t, front, from(guess(fmt.Sprint("wrong", i)), "192.0.2.1:5")); got.Status == 429 {
					t.Fatalf("guess %d: %d", i, got.Status)
				}
			}
			for _, h := range []asteri.Handler{front, admin} {
				for _, token := range []string{"wrong", testToken} {
					got := ask(t, h, from(guess(token), "192.0.2.1:5"))
					wait, _ := strconv.Atoi(string(got.Header.Get("Retry-After")))
					switch {
					case name == "shared path" && got.Status == 299: // it is the application's
					case got.Status != 429 || wait < 1 || wait > 60:
						t.Errorf("%s after all guesses: %d, Retry-After %d", token, got.Status, wait)
					}
				}
			}
			if got := ask(t, front, from(guess(testToken), "192.0.2.2:5")); got.Status == 429 || got.Status == 403 {
				t.Errorf("another client: %d", got.Status)
			}
			if got := ask(t, front, query{target: "/asteri-status"}); got.Status != 200 {
				t.Errorf("without a token: %d", got.Status)
			}
		})
	}
	// To say the same again is no guess: a page that was left open does so.
	m := newMonitor(t, Options{})
	h := m.Handler(application)
	for range 3 * guessBurst {
		if got := ask(t, h, query{target: "/asteri-status", fields: []string{"Cookie", "asteri-status-8000=" + forged}}); got.Status != 200 {
			t.Fatalf("an old cookie: %d", got.Status)
		}
	}
	if got := ask(t, h, query{target: "/asteri-status/logs", fields: bearerToken}); got.Status != 200 {
		t.Errorf("the token after that: %d", got.Status)
	}
}

// Many clients together get no further, and do not lock out who has shown the token.
func TestGuessingTogether(t *testing.T) {
	m := newMonitor(t, Options{})
	operator, other := netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("192.0.2.8")
	if ok, _ := m.attempts.judge(operator, nil, true); !ok {
		t.Fatal("the token is not taken")
	}
	counted := 0
	for i := range 2 * maxGuessers {
		a := netip.AddrFrom16([16]byte{0x20, 1, 0xd, 0xb8, 0, byte(i >> 16), byte(i >> 8), byte(i)})
		if _, wait := m.attempts.judge(a, []byte(strconv.Itoa(i)), false); wait == 0 {
			counted++
		}
	}
	if counted < allGuessBurst || counted > allGuessBurst+60 {
		t.Errorf("%d guesses", counted)
	}
	if ok, _ := m.attempts.judge(operator, nil, true); !ok {
		t.Error("the operator is locked out")
	}
	if ok, wait := m.attempts.judge(other, nil, true); ok || wait == 0 {
		t.Error("a stranger learns which token is right")
	}
	if n := len(m.attempts.by); n > maxGuessers {
		t.Errorf("%d clients are remembered", n)
	}
}

// Without a token nothing is one.
func TestNoToken(t *testing.T) {
	m := New(Options{})
	t.Cleanup(m.Close)
	h := m.Handler(application)
	for _, q := range []query{
		{target: "/asteri-status/logs", fields: []string{"Authorization", "Bearer "}},
		{target: "/asteri-status?token="},
		{target: "/asteri-status/logs", fields: []string{"Cookie", "asteri-status-8000=" + newKeys("").newSession()}},
	} {
		if got := ask(t, h, q); got.Status != 403 {
			t.Errorf("%s %q: %d", q.target, q.fields, got.Status)
		}
	}
}

// Nobody who writes of requests sees the token.
func TestDiscreet(t *testing.T) {
	m := newMonitor(t, Options{})
	var seen []string
	o := m.Redacting(observerFunc(func(r *asteri.Record) {
		q := r.Request
		seen = append(seen, fmt.Sprintf("%s %s %s %s %s", q.Target, q.Path, q.Query, q.Header.Get("Referer"), r.Header.Get("Location")))
	}))
	encoded := strings.Replace(testToken, "a", "%61", 1)
	for target, want := range map[string]string{
		"/a?token=" + testToken:     "/a?redacted /a redacted",
		"/a?x=1&tok%65n=" + encoded: "/a?redacted /a redacted",
		"/a/" + testToken:           "redacted redacted redacted",
		"/a?token=other":            "/a?token=other /a token=other",
	} {
		x := query{target: target, fields: []string{"Referer", "http://here/?token=" + testToken}}.exchange(t, exchangetest.NewExecutor(t))
		var head asteri.Header
		head.Add("Location", "https://here"+target)
		r := &asteri.Record{Request: x.Request(), Header: &head}
		before := string(r.Request.Target)
		seen = nil
		o.ExchangeDone(r)
		asteri.OpenTunnel(o, r)
		for _, line := range seen {
			if !strings.HasPrefix(line, want+" redacted ") || strings.Contains(line, testToken) {
				t.Errorf("%s: %q", target, line)
			}
		}
		if len(seen) != 2 || string(r.Request.Target) != before {
			t.Errorf("%q; the request is now %s", seen, r.Request.Target)
		}
	}
	o.ExchangeDone(&asteri.Record{Request: &asteri.Request{}, Header: new(asteri.Header)})
}

type observerFunc func(*asteri.Record)

func (f observerFunc) ExchangeDone(r *asteri.Record) { f(r) }
