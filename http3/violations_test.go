package http3_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/quic-go/quic-go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
)

// Error codes of RFC 9114 section 8.1 and RFC 9204 section 8.3.
const (
	h3No              = 0x100
	h3StreamCreation  = 0x103
	h3ClosedCritical  = 0x104
	h3FrameUnexpected = 0x105
	h3Frame           = 0x106
	h3ExcessiveLoad   = 0x107
	h3ID              = 0x108
	h3Settings        = 0x109
	h3MissingSettings = 0x10a
	h3Rejected        = 0x10b
	h3Cancelled       = 0x10c
	h3Incomplete      = 0x10d
	h3Message         = 0x10e
	qpackFailed       = 0x200
	qpackEncoder      = 0x201
	qpackDecoder      = 0x202
)

// What a client may not do on its unidirectional streams ends the connection.
func TestControlViolations(t *testing.T) {
	s := serve(t, hello)
	control := func(frames ...[]byte) [][]byte { return [][]byte{join(append([][]byte{settings}, frames...)...)} }
	for name, test := range map[string]struct {
		streams [][]byte
		code    uint64
	}{
		"no SETTINGS":              {[][]byte{join(varint(0), frame(0x21))}, h3MissingSettings},
		"GOAWAY before SETTINGS":   {[][]byte{join(varint(0), frame(0x7, 0))}, h3MissingSettings},
		"SETTINGS twice":           {control(frame(0x4)), h3FrameUnexpected},
		"setting twice":            {[][]byte{join(varint(0), frame(0x4, 6, 1, 6, 1))}, h3Settings},
		"setting of HTTP/2":        {[][]byte{join(varint(0), frame(0x4, 3, 1))}, h3Settings},
		"CONNECT neither 0 nor 1":  {[][]byte{join(varint(0), frame(0x4, 8, 2))}, h3Settings},
		"SETTINGS cut short":       {[][]byte{join(varint(0), frame(0x4, 6))}, h3Frame},
		"SETTINGS too long":        {[][]byte{join(varint(0), varint(4), varint(1<<20))}, h3ExcessiveLoad},
		"DATA":                     {control(frame(0x0)), h3FrameUnexpected},
		"HEADERS":                  {control(frame(0x1)), h3FrameUnexpected},
		"PUSH_PROMISE":             {control(frame(0x5)), h3FrameUnexpected},
		"PING of HTTP/2":           {control(frame(0x6)), h3FrameUnexpected},
		"GOAWAY without id":        {control(frame(0x7)), h3Frame},
		"GOAWAY with more":         {control(frame(0x7, 0, 0)), h3Frame},
		"GOAWAY going up":          {control(frame(0x7, 1), frame(0x7, 2)), h3ID},
		"MAX_PUSH_ID going down":   {control(frame(0xd, 2), frame(0xd, 1)), h3ID},
		"CANCEL_PUSH":              {control(frame(0xd, 2), frame(0x3, 0)), h3ID},
		"CANCEL_PUSH without id":   {control(frame(0x3)), h3Frame},
		"PRIORITY_UPDATE of push":  {control(frame(0xf0701, 0)), h3ID},
		"PRIORITY_UPDATE of uni":   {control(frame(0xf0700, 2)), h3ID},
		"PRIORITY_UPDATE far away": {control(frame(0xf0700, varint(1<<40)...)), h3ID},
		"PRIORITY_UPDATE empty":    {control(frame(0xf0700)), h3Frame},
		"second control stream":    {[][]byte{settings, settings}, h3StreamCreation},
		"second encoder stream":    {[][]byte{varint(2), varint(2)}, h3StreamCreation},
		"push stream":              {[][]byte{varint(1)}, h3StreamCreation},
		"QPACK insertion":          {[][]byte{{2, 0xc0, 1, 'x'}}, qpackEncoder},
		"QPACK capacity":           {[][]byte{{2, 0x3f, 0x01}}, qpackEncoder},
		"QPACK acknowledgement":    {[][]byte{{3, 0x80}}, qpackDecoder},
		"QPACK increment":          {[][]byte{{3, 0x01}}, qpackDecoder},
		"unknown frames":           {control(bytes.Repeat(frame(0x21), 2000)), h3ExcessiveLoad},
		"long unknown frame":       {control(varint(0x21), varint(1<<30), make([]byte, 1000)), h3ExcessiveLoad},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			for _, b := range test.streams {
				uni(t, c, b)
			}
			wantClosed(t, c, test.code)
		})
	}
	for kind, name := range map[uint64]string{0: "control", 2: "encoder", 3: "decoder"} {
		t.Run("closed "+name+" stream", func(t *testing.T) {
			c := s.dial()
			b := varint(kind)
			if kind == 0 {
				b = settings
			}
			give(t, uni(t, c, b), nil, true)
			wantClosed(t, c, h3ClosedCritical)
		})
	}
	t.Run("reset control stream", func(t *testing.T) {
		c := s.dial()
		str := uni(t, c, settings)
		wantServed(t, c) // by then it has come
		str.CancelWrite(0)
		wantClosed(t, c, h3ClosedCritical)
	})
	t.Run("streams of unknown types", func(t *testing.T) {
		c := s.dial()
		for c.Context().Err() == nil {
			str, err := c.OpenUniStreamSync(c.Context())
			if err != nil {
				break
			}
			_, _ = str.Write([]byte{0x21})
		}
		wantClosed(t, c, h3ExcessiveLoad)
	})
	if n := s.http.Stats().Errors["H3_MISSING_SETTINGS"]; n != 2 {
		t.Errorf("%d missing SETTINGS were counted", n)
	}
}

// What is allowed there is taken as nothing.
func TestControlStreamsThatAreWell(t *testing.T) {
	s := serve(t, hello)
	c := s.dial()
	uni(t, c, join(varint(0), frame(0x4, 0x21, 5, 6, 1, 8, 1, 0x33, 1), frame(0x21, 1, 2, 3),
		frame(0xd, 1), frame(0xd, 1), frame(0x7, 5), frame(0x7, 5), frame(0xf0700, append(varint(0), "u=1, i"...)...)))
	uni(t, c, []byte{2, 0x20})
	uni(t, c, []byte{3, 0x40, 0x7f, 0x80, 0x01})
	uni(t, c, []byte{0x21})
	wantServed(t, c)
	wantServed(t, c)
}

// What a client may not do on a request stream ends the connection, or the stream.
func TestRequestViolations(t *testing.T) {
	s := serve(t, serveEcho, asteri.WithLimits(asteri.Limits{Head: 4096}))
	post := request("POST", "/")
	for name, test := range map[string]struct {
		sent       []byte
		end        bool
		code       uint64
		connection bool
	}{
		"DATA before HEADERS":     {frame(0x0, 'x'), false, h3FrameUnexpected, true},
		"SETTINGS":                {frame(0x4), false, h3FrameUnexpected, true},
		"PUSH_PROMISE":            {frame(0x5, 0), false, h3FrameUnexpected, true},
		"CANCEL_PUSH":             {join(post, frame(0x3, 0)), false, h3FrameUnexpected, true},
		"PRIORITY_UPDATE":         {join(post, frame(0xf0700, 0)), false, h3FrameUnexpected, true},
		"WINDOW_UPDATE of HTTP/2": {join(post, frame(0x8)), false, h3FrameUnexpected, true},
		"DATA behind trailers":    {join(post, frame(0x0, 'x'), headers("a", "b"), frame(0x0, 'x')), false, h3FrameUnexpected, true},
		"third HEADERS":           {join(post, headers("a", "b"), headers("a", "b")), false, h3FrameUnexpected, true},
		"end within a frame":      {join(post, []byte{0x0, 5, 'x'}), true, h3Frame, true},
		"end within a header":     {join(post, []byte{0x40}), true, h3Frame, true},
		"end within HEADERS":      {post[:len(post)-3], true, h3Frame, true},
		"unknown frames":          {bytes.Repeat(frame(0x21), 2000), false, h3ExcessiveLoad, true},
		"long unknown frame":      {join(varint(0x21), varint(1<<30)), false, h3ExcessiveLoad, true},
		"QPACK: nothing":          {frame(0x1), false, qpackFailed, true},
		"QPACK: dynamic table":    {frame(0x1, 2, 0, 0x80), false, qpackFailed, true},
		"QPACK: no such entry":    {frame(0x1, 0, 0, 0xff, 0xff, 0x01), false, qpackFailed, true},
		"QPACK: cut short":        {frame(0x1, 0, 0, 0x27, 0xff), false, qpackFailed, true},
		"QPACK bomb":              {frame(0x1, append([]byte{0, 0}, bytes.Repeat([]byte{0xc0 | 56&0x3f}, 4000)...)...), false, h3ExcessiveLoad, true},
		"long trailers":           {join(post, varint(1), varint(5000)), false, h3ExcessiveLoad, true},

		"nothing":               {nil, true, h3Incomplete, false},
		"no path":               {headers(":method", "GET", ":scheme", "https", ":authority", "a"), true, h3Message, false},
		"no method":             {headers(":scheme", "https", ":authority", "a", ":path", "/"), true, h3Message, false},
		"method twice":          {request("GET", "/", ":method", "GET"), true, h3Message, false},
		"unknown pseudo-header": {headers(":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/", ":a", "b"), true, h3Message, false},
		"pseudo-header late":    {headers("a", "b", ":method", "GET", ":scheme", "https", ":authority", "a", ":path", "/"), true, h3Message, false},
		":status":               {request("GET", "/", ":status", "200"), true, h3Message, false},
		"upper case":            {request("GET", "/", "A", "b"), true, h3Message, false},
		"connection":            {request("GET", "/", "connection", "close"), true, h3Message, false},
		"transfer-encoding":     {request("POST", "/", "transfer-encoding", "chunked"), true, h3Message, false},
		"te":                    {request("GET", "/", "te", "gzip"), true, h3Message, false},
		"line break":            {request("GET", "/", "a", "b\r\nc: d"), true, h3Message, false},
		"two lengths":           {request("POST", "/", "content-length", "1", "content-length", "1"), true, h3Message, false},
		"length and no content": {request("POST", "/", "content-length", "1"), true, h3Message, false},
		"too much content":      {join(request("POST", "/", "content-length", "1"), frame(0x0, 'x', 'y')), false, h3Message, false},
		"too little content":    {join(request("POST", "/", "content-length", "3"), frame(0x0, 'x', 'y')), true, h3Message, false},
		"pseudo-header trailer": {join(post, headers(":path", "/")), true, h3Message, false},
	} {
		t.Run(name, func(t *testing.T) {
			c := s.dial()
			str := ask(t, c, test.sent, test.end)
			if test.connection {
				wantClosed(t, c, test.code)
				return
			}
			wantReset(t, str, test.code)
			wantServedBy(t, c, "POST")
		})
	}
}

func wantServedBy(t testing.TB, c *quic.Conn, method string) {
	t.Helper()
	if r := receive(t, ask(t, c, request(method, "/"), true)); r.status() != "200" {
		t.Errorf("status %s", r.status())
	}
}

// Frames of types that are reserved or not known may be anywhere, and frames may be
// empty.
func TestUnknownFramesArePassedOver(t *testing.T) {
	s := serve(t, serveEcho)
	grease := frame(0x21+0x1f*1000, []byte("grease")...)
	r := receive(t, ask(t, s.dial(), join(grease, request("POST", "/"), grease, frame(0), frame(0, 'a'), grease, frame(0),
		frame(0, 'b'), grease, headers("sum", "1"), grease), true))
	if r.status() != "200" || string(r.content) != "ab" || len(r.heads) != 2 || r.get("sum") != "1" {
		t.Errorf("%+v", r)
	}
}

// A request that is refused gets its answer, and the connection goes on.
func TestRefusedHeads(t *testing.T) {
	s := serve(t, hello, asteri.WithLimits(asteri.Limits{Head: 4096, Fields: 10, FieldSize: 300, RequestLine: 100}))
	many := []string{}
	for range 11 {
		many = append(many, "a", "b")
	}
	c := s.dial()
	for name, test := range map[string]struct {
		sent   []byte
		end    bool
		status string
	}{
		"longer than the limit": {join(varint(1), varint(5000)), false, "431"},
		"long enough":           {request("GET", "/", "a", strings.Repeat("x", 290), "b", strings.Repeat("\u00e9", 140)), true, "200"},
		"long field":            {request("GET", "/", "a", strings.Repeat("x", 310)), true, "431"},
		"many fields":           {request("GET", "/", many...), true, "431"},
		"long path":             {request("GET", "/"+strings.Repeat("x", 200)), true, "414"},
		"plain CONNECT":         {headers(":method", "CONNECT", ":authority", "a:1"), true, "501"},
	} {
		t.Run(name, func(t *testing.T) {
			if r := receive(t, ask(t, c, test.sent, test.end)); r.status() != test.status {
				t.Errorf("status %s, want %s", r.status(), test.status)
			}
		})
	}
	wantServed(t, c)
}

// A head that does not come is waited for only so long.
func TestLateHeads(t *testing.T) {
	s := serve(t, hello, asteri.WithTimeouts(asteri.Timeouts{Header: 50 * time.Millisecond, KeepAlive: patience}))
	c := s.dial()
	for _, head := range [][]byte{varint(1), request("GET", "/")[:10]} {
		if r := receive(t, ask(t, c, head, false)); r.status() != "408" {
			t.Errorf("%x: status %s", head, r.status())
		}
	}
}

// A client that resets requests again and again is cut off, and has never more
// handlers at work than it may have streams.
func TestRapidReset(t *testing.T) {
	const streams = 10
	running := make(chan int, 1000)
	n := 0
	s := serveWith(t, http3.Config{MaxConcurrentStreams: streams}, func(x asteri.Exchange) {
		if string(x.Request().Path) == "/ok" {
			hello(x)
			return
		}
		n++ // nobody ends it: a handler that does not listen to OnCancel
		running <- n
		x.OnCancel(func(error) {})
	})
	c := s.dial()
	for range streams {
		str := ask(t, c, request("GET", "/"), true)
		<-running
		str.CancelRead(h3Cancelled)
	}
	other := s.dial()
	wantServed(t, other)
	if _, err := c.OpenStream(); err == nil {
		t.Error("the client may open more streams while its handlers are at work")
	}
	if len(running) > 0 {
		t.Errorf("%d handlers at work", n)
	}

	// Handlers that end do not make it free for ever.
	attack := s.dial()
	for attack.Context().Err() == nil {
		str, err := attack.OpenStreamSync(attack.Context())
		if err != nil {
			break
		}
		_, _ = str.Write(headers(":method", "GET"))
		_ = str.Close()
		str.CancelRead(h3Cancelled)
	}
	wantClosed(t, attack, h3ExcessiveLoad)
	wantServed(t, other)
}
