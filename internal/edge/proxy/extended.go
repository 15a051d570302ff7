package proxy

import (
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 section 1.3 wants it, and not for secrecy
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
)

// serveExtended passes on a WebSocket that was opened over HTTP/2 or later, by an
// extended CONNECT (RFC 8441). The server gets the handshake of HTTP/1.1: Transport
// cannot open one in a stream.
func (h *Handler) serveExtended(c *workers.Call) {
	r := c.Request()
	if r.Protocol != "websocket" {
		c.Abort(&asteri.StatusError{Code: http.StatusNotImplemented, Reason: "no such protocol"})
		return
	}
	key := base64.StdEncoding.EncodeToString(random(16))
	out, err := h.handshake(c, key)
	if err != nil {
		c.Abort(&asteri.StatusError{Code: http.StatusBadRequest, Reason: err.Error()})
		return
	}
	res, err := h.transport.RoundTrip(out)
	if err != nil {
		c.Abort(h.cause(c, out.URL, err))
		return
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		refused(c, res)
		return
	}
	server, ok := res.Body.(io.ReadWriteCloser)
	if !ok || res.Header.Get("Sec-Websocket-Accept") != accepted(key) {
		c.Abort(&asteri.StatusError{Code: http.StatusBadGateway, Reason: "server's handshake is wrong"})
		return
	}
	head := fieldsOf(res.Header)
	head.Add("Upgrade", "websocket")
	client, err := c.Upgrade(asteri.UpgradeRaw, head)
	if err != nil {
		return
	}
	join(client, server)
}

// cause returns with what a call ends whose handshake got no response.
func (h *Handler) cause(c *workers.Call, u *url.URL, err error) error {
	if status := h.outcome(c.Context(), c.Request().Method, u, err); status != 0 {
		return &asteri.StatusError{Code: status, Reason: "server cannot be asked"}
	}
	return context.Cause(c.Context())
}

func random(n int) []byte {
	p := make([]byte, n)
	_, _ = rand.Read(p) // never fails
	return p
}

// accepted is what a server answers to a key (RFC 6455 section 4.2.2).
func accepted(key string) string {
	sum := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	return base64.StdEncoding.EncodeToString(sum[:])
}

// handshake makes the request that opens the WebSocket with the server.
func (h *Handler) handshake(c *workers.Call, key string) (*http.Request, error) {
	r := c.Request()
	u, err := url.ParseRequestURI(string(r.Path))
	if err != nil {
		return nil, errors.New("path cannot be parsed")
	}
	out := (&http.Request{
		Method: http.MethodGet, URL: u, Header: make(http.Header),
		ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}).WithContext(c.Context()) // which says nothing of the socket once Transport has given that away
	for _, f := range r.Header.Fields() {
		out.Header.Add(string(f.Name), string(f.Value))
	}
	for name := range out.Header {
		if strings.HasPrefix(name, "X-Forwarded-") || name == "Forwarded" {
			delete(out.Header, name)
		}
	}
	h.rewrite(out, r)
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	out.Header.Set("Sec-Websocket-Key", key)
	return out, nil
}

// refused passes on a response that is no WebSocket.
func refused(c *workers.Call, res *http.Response) {
	if c.Start(res.StatusCode, fieldsOf(res.Header)) == nil {
		if _, err := io.Copy(c, res.Body); err != nil {
			c.Abort(err)
		}
	}
}

// fieldsOf copies a header, without what concerns one connection.
func fieldsOf(from http.Header) *asteri.Header {
	h := new(asteri.Header)
	for name, values := range from {
		switch name {
		case "Connection", "Upgrade", "Keep-Alive", "Transfer-Encoding", "Sec-Websocket-Accept", "Te", "Trailer", "Proxy-Connection":
			continue
		}
		for _, v := range values {
			h.Add(name, v)
		}
	}
	return h
}

// join copies bytes both ways until one side ends.
func join(client, server io.ReadWriteCloser) {
	done := make(chan struct{}, 2)
	pass := func(to, from io.ReadWriteCloser) {
		_, _ = io.Copy(to, from) // either way it is over
		done <- struct{}{}
	}
	go pass(client, server)
	go pass(server, client)
	<-done
	_ = server.Close() // and so the other ends
	_ = client.Close()
	<-done
}
