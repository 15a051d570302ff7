package demo

import (
	"bytes"
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/websocket"
)

// Bounds of what a client may ask for.
const (
	maxBytes = 1 << 30
	maxSleep = 60 * time.Second
)

// What /stream and /events send.
const (
	streamLines = 10
	streamPause = 200 * time.Millisecond
	eventPause  = time.Second
	maxEvents   = 3600
)

// action is what a route does, unless it has a reply.
type action uint8

const (
	none action = iota
	echo
	send
	sleep
	stream
	events
	socket
)

// route is what a path and method lead to.
type route struct {
	reply  *reply // known in advance, or nil
	action action
	n      int64 // the number in the path
}

// reply is an answer that is known in advance.
type reply struct {
	status int
	header *asteri.Header
	body   []byte
}

// newReply makes a reply; fields are names and values in turn.
func newReply(status int, body string, fields ...string) *reply {
	return &reply{status, newHeader(fields...), []byte(body)}
}

func newHeader(fields ...string) *asteri.Header {
	h := new(asteri.Header)
	for i := 0; i < len(fields); i += 2 {
		h.Add(fields[i], fields[i+1])
	}
	return h
}

const plain = "text/plain; charset=utf-8"

var (
	plaintext  = newReply(200, "Hello, World!", "Content-Type", "text/plain")
	jsonReply  = newReply(200, `{"message":"Hello, World!"}`, "Content-Type", "application/json")
	slept      = newReply(200, "slept\n", "Content-Type", plain)
	notFound   = newReply(404, "not found\n", "Content-Type", plain)
	outOfRange = newReply(400, "number out of range\n", "Content-Type", plain)
	wantsGet   = newReply(405, "method not allowed\n", "Content-Type", plain, "Allow", "GET, HEAD")
	wantsPost  = newReply(405, "method not allowed\n", "Content-Type", plain, "Allow", "POST, PUT")

	bytesHeader  = newHeader("Content-Type", "application/octet-stream")
	streamHeader = newHeader("Content-Type", plain)
	eventsHeader = newHeader("Content-Type", "text/event-stream", "Cache-Control", "no-store")
	// A browser must not take what somebody had echoed for a page of this site.
	echoHeader = newHeader("Content-Type", "application/octet-stream", "X-Content-Type-Options", "nosniff")
)

//go:embed page.html
var page string

// pagePolicy lets the page have its own style, and nothing else.
const pagePolicy = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; frame-ancestors 'none'"

// newPage makes the page that links the rest.
func newPage(model string) *reply {
	return newReply(200, strings.ReplaceAll(page, "{{model}}", model),
		"Content-Type", "text/html; charset=utf-8", "Content-Security-Policy", pagePolicy)
}

// routes is what the two kinds of handlers have in common.
type routes struct {
	page, socketPage *reply
	sockets          *websocket.Server
}

// newRoutes makes the routes; model is what the page says about how they run.
func newRoutes(model string, sockets *websocket.Server) *routes {
	return &routes{newPage(model), newSocketPage(), sockets}
}

// accept makes a WebSocket of an exchange. After an error it is answered.
func (rs *routes) accept(x asteri.Exchange) error {
	_, err := rs.sockets.Accept(x, echoSocket{}, websocket.Response{})
	return err
}

// find returns where a request leads.
func (rs *routes) find(r *asteri.Request) route {
	switch string(r.Path) {
	case "/plaintext":
		return get(r, route{reply: plaintext})
	case "/json":
		return get(r, route{reply: jsonReply})
	case "/":
		return get(r, route{reply: rs.page})
	case "/stream":
		return get(r, route{action: stream})
	case "/events":
		return get(r, route{action: events})
	case "/ws":
		if websocket.Offered(r) {
			return route{action: socket}
		}
		return get(r, route{reply: rs.socketPage})
	case "/echo":
		if r.Method != "POST" && r.Method != "PUT" {
			return route{reply: wantsPost}
		}
		return route{action: echo}
	}
	if digits, ok := bytes.CutPrefix(r.Path, []byte("/bytes/")); ok {
		return counted(r, send, digits, maxBytes)
	}
	if digits, ok := bytes.CutPrefix(r.Path, []byte("/sleep/")); ok {
		return counted(r, sleep, digits, maxSleep.Milliseconds())
	}
	return route{reply: notFound}
}

// get is to, for the methods that only read.
func get(r *asteri.Request, to route) route {
	if r.Method != "GET" && r.Method != "HEAD" {
		return route{reply: wantsGet}
	}
	return to
}

// counted is for a path that ends with a number of 0 to most.
func counted(r *asteri.Request, a action, digits []byte, most int64) route {
	if len(digits) == 0 || len(bytes.Trim(digits, "0123456789")) > 0 {
		return route{reply: notFound}
	}
	n, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil || n > most {
		return route{reply: outOfRange}
	}
	return get(r, route{action: a, n: n})
}

// withLength returns h with a Content-Length of n, if that is known.
func withLength(h *asteri.Header, n int64) *asteri.Header {
	if n < 0 {
		return h
	}
	h = h.Clone()
	h.AddInt("Content-Length", n)
	return h
}

// block is what /bytes repeats.
var block = bytes.Repeat([]byte("0123456789abcde\n"), 1<<10)

// line returns line i of /stream.
func line(i int) []byte { return fmt.Appendf(nil, "line %d of %d\n", i+1, streamLines) }

// event returns event i of /events.
func event(i int) []byte {
	return fmt.Appendf(nil, "id: %d\ndata: {\"count\":%d,\"time\":%q}\n\n", i+1, i+1, time.Now().UTC().Format(time.RFC3339))
}
