// Command h3load loads a server of HTTP/3 by quic-go's client: on each connection
// a fixed number of requests is under way at any time.
package main

import (
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net/http"

	"github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop/bench/clients"
)

func main() {
	clients.Main(func(ctx context.Context, l clients.Load) (func() error, func(), error) {
		// A transport has one connection to a server.
		t := &http3.Transport{
			TLSClientConfig:    &tls.Config{InsecureSkipVerify: true},
			DisableCompression: true,
		}
		get := func() error { return get(t, l.URL) }
		if err := get(); err != nil { // opens the connection
			_ = t.Close()
			return nil, nil, err
		}
		return get, func() { _ = t.Close() }, ctx.Err()
	})
}

func get(t *http3.Transport, url string) error {
	req, err := http.NewRequest(http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := t.RoundTrip(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("status %s", resp.Status)
	}
	return nil
}
