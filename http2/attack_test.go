package http2

import (
	"runtime"
	"strings"
	"testing"
	"time"

	xhttp2 "golang.org/x/net/http2"

	"github.com/asteri/asteri-loop"
)

// attack is what a client can do again and again. Each ends with the connection.
type attack struct {
	name  string
	code  xhttp2.ErrCode
	begin func(c *client)
	round func(c *client, id uint32) // id is that of a new stream
}

var attacks = []attack{
	{name: "rapid reset", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/kept")...)
		must(c.t, c.WriteRSTStream(id, xhttp2.ErrCodeCancel))
	}},
	{name: "reset by the server: window", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/kept")...)
		must(c.t, c.WriteWindowUpdate(id, 1<<31-1))
	}},
	{name: "reset by the server: window by nothing", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/kept")...)
		must(c.t, c.WriteWindowUpdate(id, 0))
	}},
	{name: "reset by the server: priority", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/kept")...)
		must(c.t, c.WritePriority(id, xhttp2.PriorityParam{StreamDep: id}))
	}},
	{name: "reset by the server: content behind the end", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/kept")...)
		must(c.t, c.WriteData(id, true, nil))
	}},
	{name: "reset by the server: content-length", round: func(c *client, id uint32) {
		c.headers(id, false, request("POST", "/kept", "content-length", "1")...)
		must(c.t, c.WriteData(id, false, []byte("ab")))
	}},
	{name: "malformed requests", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/", "connection", "close")...)
	}},
	{name: "refused streams", begin: func(c *client) {
		for id := uint32(1); id < 20; id += 2 {
			c.headers(id, false, request("POST", "/kept")...)
		}
	}, round: func(c *client, id uint32) { c.headers(id, true, request("GET", "/kept")...) }},
	{name: "CONTINUATION", begin: func(c *client) {
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1001, BlockFragment: c.head(request("GET", "/")...)}))
	}, round: func(c *client, _ uint32) { must(c.t, c.WriteContinuation(1001, false, c.head("a", "b"))) }},
	{name: "empty CONTINUATION", begin: func(c *client) {
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1001, BlockFragment: c.head(request("GET", "/")...)}))
	}, round: func(c *client, _ uint32) { must(c.t, c.WriteContinuation(1001, false, nil)) }},
	{name: "CONTINUATION of a refused stream", begin: func(c *client) {
		for id := uint32(1); id < 20; id += 2 {
			c.headers(id, false, request("POST", "/kept")...)
		}
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: 1001, BlockFragment: c.head(request("GET", "/")...)}))
	}, round: func(c *client, _ uint32) {
		must(c.t, c.WriteContinuation(1001, false, c.head("a", strings.Repeat("x", 10000))))
	}},
	{name: "SETTINGS", round: func(c *client, _ uint32) { must(c.t, c.WriteSettings()) }},
	{name: "many windows by SETTINGS", round: func(c *client, id uint32) {
		must(c.t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: id}))
	}},
	{name: "PING", round: func(c *client, _ uint32) { must(c.t, c.WritePing(false, [8]byte{})) }},
	{name: "PRIORITY", round: func(c *client, id uint32) {
		must(c.t, c.WritePriority(id, xhttp2.PriorityParam{Weight: 1}))
	}},
	{name: "PRIORITY_UPDATE", round: func(c *client, id uint32) { must(c.t, c.WritePriorityUpdate(id, "u=1")) }},
	{name: "WINDOW_UPDATE", round: func(c *client, _ uint32) { must(c.t, c.WriteWindowUpdate(0, 1)) }},
	{name: "WINDOW_UPDATE on streams that are gone", begin: func(c *client) { c.headers(1, true, request("GET", "/")...) },
		round: func(c *client, _ uint32) { must(c.t, c.WriteWindowUpdate(1, 1)) }},
	{name: "RST_STREAM on streams that are gone", begin: func(c *client) { c.headers(1, true, request("GET", "/")...) },
		round: func(c *client, _ uint32) { must(c.t, c.WriteRSTStream(1, xhttp2.ErrCodeCancel)) }},
	{name: "empty DATA", begin: func(c *client) { c.headers(1, false, request("POST", "/kept")...) },
		round: func(c *client, _ uint32) { must(c.t, c.WriteData(1, false, nil)) }},
	{name: "padding alone", begin: func(c *client) { c.headers(1, false, request("POST", "/kept")...) },
		round: func(c *client, _ uint32) { must(c.t, c.WriteDataPadded(1, false, nil, make([]byte, 10))) }},
	{name: "unknown frames", round: func(c *client, _ uint32) { must(c.t, c.WriteRawFrame(0x42, 0, 0, nil)) }},
	{name: "GOAWAY", begin: func(c *client) { c.headers(1, false, request("POST", "/kept")...) },
		round: func(c *client, _ uint32) { must(c.t, c.WriteGoAway(0, 0, nil)) }},
	{name: "data dribble", begin: func(c *client) {
		must(c.t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 0}))
		c.headers(1, true, request("GET", "/large")...)
	}, round: func(c *client, _ uint32) { must(c.t, c.WriteWindowUpdate(1, 1)) }},
	{name: "empty names", round: func(c *client, id uint32) {
		c.headers(id, true, request("GET", "/", "", "")...)
	}},
	{name: "HPACK bomb", begin: func(c *client) {
		c.headers(1, true, request("GET", "/", "a", strings.Repeat("x", 3000))...)
	}, round: func(c *client, id uint32) {
		bomb := c.head(request("GET", "/")...)
		for range 16000 {
			bomb = append(bomb, opIndexed|62) // the field that came last
		}
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: bomb, EndStream: true, EndHeaders: true}))
	}},
	{name: "HPACK bomb, long string", round: func(c *client, id uint32) {
		block := appendInt(append(c.head(request("GET", "/")...), opLiteral, 1, 'a'), 0, 7, 1<<24)
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: block, EndStream: true}))
		for range 100 {
			must(c.t, c.WriteContinuation(id, false, make([]byte, 16000)))
		}
	}},
	{name: "HPACK table size", code: xhttp2.ErrCodeCompression, round: func(c *client, id uint32) {
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: appendInt(nil, opResize, 5, 1<<20), EndStream: true, EndHeaders: true}))
	}},
	{name: "HPACK nonsense", code: xhttp2.ErrCodeCompression, round: func(c *client, id uint32) {
		must(c.t, c.WriteHeaders(xhttp2.HeadersFrameParam{StreamID: id, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndStream: true, EndHeaders: true}))
	}},
}

// Each attack ends with GOAWAY, and by then the connection has cost little memory
// and few handlers. Others are served.
func TestAttacks(t *testing.T) {
	for _, a := range attacks {
		t.Run(a.name, func(t *testing.T) {
			running, most := 0, 0
			h := asteri.HandlerFunc(func(x asteri.Exchange) {
				switch string(x.Request().Path) {
				case "/kept":
					if running++; running > most {
						most = running
					}
					x.OnCancel(func(error) {}) // the handler does not stop
				case "/large":
					_ = x.Respond(200, nil, make([]byte, 1<<20))
				default:
					_ = x.Respond(200, nil, []byte("hello"))
				}
			})
			c := newClient(t, Config{MaxConcurrentStreams: 10}, h)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			if a.begin != nil {
				a.begin(c)
				c.send()
			}
			rounds := 0
			for id := uint32(2001); c.conn.open(); id += 2 {
				if rounds++; rounds > 20000 {
					t.Fatal("goes on and on")
				}
				a.round(c, id)
				c.send()
				c.conn.out = c.conn.out[max(0, len(c.conn.out)-200):] // what was sent matters at the end only
			}
			runtime.GC()
			runtime.ReadMemStats(&after)
			if grown := int64(after.HeapAlloc) - int64(before.HeapAlloc); grown > 8<<20 {
				t.Errorf("%d bytes of memory are in use", grown)
			}
			if most > 10 {
				t.Errorf("%d handlers ran at a time", most)
			}
			code := a.code
			if code == 0 {
				code = xhttp2.ErrCodeEnhanceYourCalm
			}
			last := c.conn.out
			for i := range last {
				if h := last[i:]; len(h) >= frameHeaderLen && frameType(h[3]) == frameGoAway && parseFrameHeader(h).length == len(h)-frameHeaderLen {
					last = h
					break
				}
			}
			c.conn.out = last
			c.wantEnd(code)
			other := newClient(t, Config{}, h)
			other.get(1, "/")
			other.want("HEADERS 1: :status=200 content-length=5 server=asteri-loop", "DATA 1 end: hello")
		})
	}
}

// What looks a little like an attack, and is a client that works hard, is served.
func TestHardWorkIsNoAttack(t *testing.T) {
	t.Run("requests", func(t *testing.T) {
		c := newClient(t, Config{}, hello)
		for id := uint32(1); id < 40001; id += 2 {
			c.headers(id, true, request("GET", "/")...)
			must(t, c.WritePriority(id, xhttp2.PriorityParam{Weight: 1}))
			must(t, c.WriteWindowUpdate(0, 5))
			c.send()
			c.conn.out = nil
		}
		if !c.conn.open() {
			t.Error("the connection has ended")
		}
	})
	t.Run("download", func(t *testing.T) {
		c := newClient(t, Config{}, sized)
		must(t, c.WriteSettings(xhttp2.Setting{ID: xhttp2.SettingInitialWindowSize, Val: 1 << 20}))
		c.get(1, "/200000000")
		for range 10000 {
			must(t, c.WriteWindowUpdate(0, 16384))
			must(t, c.WriteWindowUpdate(1, 16384))
			must(t, c.WritePing(false, [8]byte{}))
			c.send()
			c.conn.out = nil
		}
		if !c.conn.open() {
			t.Error("the connection has ended")
		}
	})
	t.Run("resets by a reader", func(t *testing.T) {
		k := new(keeper)
		c := newClient(t, Config{}, k)
		for id := uint32(1); id < 200; id += 2 {
			c.headers(id, true, request("GET", "/")...)
		}
		c.send()
		for id := uint32(1); id < 200; id += 2 {
			must(t, c.WriteRSTStream(id, xhttp2.ErrCodeCancel))
		}
		c.send()
		if !c.conn.open() || len(k.got) != 100 {
			t.Errorf("the connection has ended, or %d requests were served", len(k.got))
		}
	})
}

// A handler whose stream was reset counts until it ends its exchange.
func TestHandlersOfResetStreamsCount(t *testing.T) {
	k := new(keeper)
	c := newClient(t, Config{MaxConcurrentStreams: 2}, k)
	for id := uint32(1); id < 5; id += 2 {
		c.headers(id, true, request("GET", "/")...)
		c.send()
		must(t, c.WriteRSTStream(id, xhttp2.ErrCodeCancel))
		c.send()
	}
	c.get(5, "/")
	c.want("RST_STREAM 5: REFUSED_STREAM")
	k.got[0].Abort(errTest)
	c.get(7, "/")
	c.want()
	c.get(9, "/")
	c.want("RST_STREAM 9: REFUSED_STREAM")
	c.home.time = c.home.time.Add(30 * time.Second) // a handler that never says so
	c.get(11, "/")
	c.want()
	if len(k.got) != 4 {
		t.Errorf("%d requests were served", len(k.got))
	}
}
