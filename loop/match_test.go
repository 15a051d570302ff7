package loop_test

import (
	"crypto/tls"
	"io"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// spoken is a protocol that is told by how connections begin, or in which the server
// speaks first.
type spoken struct {
	name   string
	begins string // what a client says first; empty: the server does
	asked  chan string
}

func (p spoken) Name() string { return p.name }

func (p spoken) Match(alpn string, head []byte) loop.Verdict {
	if p.asked != nil {
		select {
		case p.asked <- alpn + "/" + string(head):
		default:
		}
	}
	switch n := min(len(head), len(p.begins)); {
	case alpn == p.name:
		return loop.Yes
	case alpn != "" || string(head[:n]) != p.begins[:n]:
		return loop.No
	case n < len(p.begins):
		return loop.Maybe
	}
	return loop.Yes
}

func (p spoken) NewSession(c loop.Conn) loop.Session {
	if p.begins == "" {
		c.Write([]byte("hello from " + p.name))
	}
	return &script{Conn: c, onData: func(s *script, in []byte) (int, error) {
		if len(in) >= len(p.begins) {
			s.Write([]byte(p.name))
			s.CloseWhenFlushed(false)
		}
		return 0, nil
	}}
}

// One rule says which protocol gets a connection, however many there are, in plain or
// inside TLS: see loop.Protocol.
func TestProtocolIsChosen(t *testing.T) {
	cert := selfSigned(t)
	first, second, server := spoken{name: "first", begins: "ab"}, spoken{name: "second", begins: "ac"}, spoken{name: "server"}
	refuses := nothing{loop.No}
	for _, tt := range []struct {
		name      string
		protocols []loop.Protocol
		sent      string // without which the answer has to come
		alpn      string
		got       string // empty: the connection is refused
	}{
		{"by the first bytes", []loop.Protocol{first, second}, "ab", "", "first"},
		{"by the second byte", []loop.Protocol{first, second}, "ac", "", "second"},
		{"a server that speaks first, alone", []loop.Protocol{server}, "", "", "hello from server"},
		{"in front of others", []loop.Protocol{server, first}, "", "", "hello from server"},
		{"behind one that refuses", []loop.Protocol{refuses, server}, "", "", "hello from server"},
		{"behind one that may, which does not", []loop.Protocol{first, server}, "x", "", "hello from server"},
		{"one alone gets what is not its own", []loop.Protocol{first}, "xx", "", "first"},
		{"so does the last that is left", []loop.Protocol{refuses, first}, "xx", "", "first"},
		{"nobody wants it, before it has said anything", []loop.Protocol{refuses}, "", "", ""},
		{"nobody wants it, by what it has said", []loop.Protocol{first, second}, "x", "", ""},
		{"by name", []loop.Protocol{first, second}, "ab", "second", "second"},
	} {
		for _, secure := range []bool{false, true} {
			if !secure && tt.alpn != "" {
				continue
			}
			t.Run(tt.name+map[bool]string{true: " inside TLS"}[secure], func(t *testing.T) {
				leakcheck.Check(t)
				e := start(t, loop.Config{Loops: 1, HandshakeTimeout: patience})
				cfg := loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: tt.protocols}
				if secure {
					names := []string{"first", "second"}
					cfg.TLS = func() *tls.Config { return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: names} }
				}
				c := dialRefusing(t, listen(t, e, cfg))
				if c == nil && tt.got == "" {
					return // refused as fast as that
				}
				if secure {
					client := &tls.Config{InsecureSkipVerify: true}
					if tt.alpn != "" {
						client.NextProtos = []string{tt.alpn}
					}
					c = tls.Client(c, client)
				}
				_, _ = io.WriteString(c, tt.sent)
				if secure && tt.sent == "" {
					_ = c.(*tls.Conn).Handshake()
				}
				got := make([]byte, len(tt.got))
				if _, err := io.ReadFull(c, got); string(got) != tt.got {
					t.Errorf("answered %q, %v", got, err)
				}
				if tt.got == "" {
					expectEnd(t, c)
					waitFor(t, "the refusal is counted", func() bool { return e.Stats().Refused["unrecognized"] == 1 })
				}
			})
		}
	}
}

// namesake is one of several protocols that go by one name in ALPN.
type namesake struct{ spoken }

func (p namesake) Match(alpn string, head []byte) loop.Verdict {
	if alpn != "shared" {
		return loop.No
	}
	return p.spoken.Match("", head)
}

// Those who are asked again are told the name again.
func TestProtocolsOfOneName(t *testing.T) {
	cert := selfSigned(t)
	e := start(t, loop.Config{Loops: 1, HandshakeTimeout: patience})
	c := tls.Client(dial(t, listen(t, e, loop.ListenConfig{
		Addr:      "127.0.0.1:0",
		Protocols: []loop.Protocol{namesake{spoken{name: "first", begins: "ab"}}, namesake{spoken{name: "second", begins: "ac"}}},
		TLS: func() *tls.Config {
			return &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"shared"}}
		},
	})), &tls.Config{InsecureSkipVerify: true, NextProtos: []string{"shared"}})
	send(t, c, "ac")
	expect(t, c, "second")
}

// A protocol is asked though it is the only one, first with nothing.
func TestProtocolIsAsked(t *testing.T) {
	leakcheck.Check(t)
	e := start(t, loop.Config{Loops: 1})
	asked := make(chan string, 10)
	c := dial(t, listen(t, e, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{spoken{"one", "1", asked}}}))
	if got := awaited(t, asked, "question"); got != "/" {
		t.Errorf("asked about %q", strings.TrimPrefix(got, "/"))
	}
	send(t, c, "1")
	expect(t, c, "one")
}
