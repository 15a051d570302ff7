package proxy

import (
	"context"
	"crypto/rand"
	"crypto/sha1" // RFC 6455 section 1.3 wants it, and not for secrecy
	"encoding/base64"
	"io"
	"net/http"
	"net/url"

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
	ctx, watch := newWatch(c.Context(), h.options.Timeout)
	defer watch.stop() // of which a socket knows nothing once Transport has given that away
	key := base64.StdEncoding.EncodeToString(random(16))
	out := h.handshake(ctx, r, key)
	res, err := h.transport.RoundTrip(out)
	if err != nil {
		c.Abort(h.cause(ctx, r, out, err))
		return
	}
	watch.began()
	defer res.Body.Close()
	if res.StatusCode != http.StatusSwitchingProtocols {
		res.Body = &content{res.Body, out, r, watch, h.log}
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
	client, err := c.Upgrade(head)
	if err != nil {
		return
	}
	join(client, server)
}

// cause returns with what a call ends whose handshake got no response.
func (h *Handler) cause(ctx context.Context, r *asteri.Request, out *http.Request, err error) error {
	if status := h.outcome(ctx, r, out.URL, err); status != 0 {
		return &asteri.StatusError{Code: status, Reason: "server cannot be asked"}
	}
	return context.Cause(ctx)
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
func (h *Handler) handshake(ctx context.Context, r *asteri.Request, key string) *http.Request {
	out := (&http.Request{
		Method: http.MethodGet, URL: new(url.URL), Header: make(http.Header),
		ProtoMajor: 1, ProtoMinor: 1, Body: http.NoBody,
	}).WithContext(ctx)
	for _, f := range r.Header.Fields() {
		switch name := http.CanonicalHeaderKey(string(f.Name)); name {
		case "Te", "Trailer", "Proxy-Authenticate", "Proxy-Authorization", "Expect", "Content-Length": // between the client and us
		default:
			out.Header.Add(name, string(f.Value))
		}
	}
	h.rewrite(out, r)
	out.Header.Set("Connection", "Upgrade")
	out.Header.Set("Upgrade", "websocket")
	out.Header.Set("Sec-Websocket-Key", key)
	return out
}

// refused passes on a response that is no WebSocket. One of success would open the
// tunnel that CONNECT asks for (RFC 9110 section 9.3.6).
func refused(c *workers.Call, res *http.Response) {
	if res.StatusCode/100 == 2 {
		c.Abort(errNoWebSocket)
		return
	}
	if c.Start(res.StatusCode, fieldsOf(res.Header)) == nil {
		if _, err := io.Copy(c, res.Body); err != nil {
			c.Abort(err)
		}
	}
}

var errNoWebSocket = &asteri.StatusError{Code: http.StatusNotImplemented, Reason: "the resource does not speak the protocol that CONNECT asks for"}

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
