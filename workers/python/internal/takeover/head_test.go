package takeover

import (
	"strings"
	"testing"
)

func TestRawHead(t *testing.T) {
	for text, status := range map[string]int{
		"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nX:y": 101,
		"HTTP/1.1 101":                                  101,
		"HTTP/1.0 404 \r\nA: \t b \t":                   404,
		"HTTP/1.1 200 OK\r\nContent-Length: 5":          200,
		"HTTP/1.1 101 x\r\nTransfer-Encoding: identity": 101,
		"": 0, "HTTP/1.1": 0, "HTTP/1.1 10": 0, "HTTP/1.1 1O1 x": 0, "HTTP/1.1 1010": 0, "HTTP/2.0 101 x": 0, "HTTP/1.1  101": 0,
		"HTTP/1.1 099 x": 0, "HTTP/1.1 600 x": 0, "http/1.1 101 x": 0, " HTTP/1.1 101 x": 0,
		"HTTP/1.1 101 x\r\nno colon": 0, "HTTP/1.1 101 x\r\nA : b": 0, "HTTP/1.1 101 x\r\n: b": 0, "HTTP/1.1 101 x\r\nA: b\r\n folded: c": 0,
		"HTTP/1.1 101 x\nA: b":                                     101, // one long reason, in which nothing is looked for
		"HTTP/1.1 200 x\r\nTransfer-Encoding: chunked":             0,
		"HTTP/1.1 101 x" + strings.Repeat("\r\nA: b", maxFields):   101,
		"HTTP/1.1 101 x" + strings.Repeat("\r\nA: b", maxFields+1): 0,
	} {
		h, err := parseHead([]byte(text))
		switch {
		case err != nil && status != 0:
			t.Errorf("%.80q: %v", text, err)
		case err == nil && h.Status != status:
			t.Errorf("%.80q: got %d, want %d", text, h.Status, status)
		}
	}
	h, err := parseHead([]byte("HTTP/1.1 101 x\r\nConnection: Upgrade\r\nUpgrade: a\r\nContent-Length: 3\r\nX:  y \r\nKeep-Alive: 5"))
	if err != nil || h.Header.Len() != 2 || string(h.Header.Get("x")) != "y" || h.Number != 3 || string(h.Header.Reason) != "x" {
		t.Errorf("got %+v, %v", h, err)
	}
}

func FuzzRawHead(f *testing.F) {
	f.Add([]byte("HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade"))
	f.Add([]byte("HTTP/1.1 403 Forbidden\r\nContent-Length: 7\r\nContent-Length: x"))
	f.Fuzz(func(t *testing.T, p []byte) {
		h, err := parseHead(p)
		if err != nil {
			return
		}
		if h.Status < 100 || h.Status > 599 {
			t.Errorf("status %d", h.Status)
		}
		for _, field := range h.Header.Fields() {
			if len(field.Name) == 0 || strings.ContainsAny(string(field.Name), ": \t\r\n") || strings.Contains(string(field.Value), "\r\n") {
				t.Errorf("field %q: %q", field.Name, field.Value)
			}
		}
	})
}
