package http3_test

import (
	"crypto/tls"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"

	client "github.com/quic-go/quic-go/http3"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http3"
	"github.com/asteri/asteri-loop/loop"
)

// HTTP/3 has a UDP port of its own, on the loops of an engine.
func ExampleListen() {
	certificates := httptest.NewTLSServer(nil) // has one
	defer certificates.Close()
	engine, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	engine.Start()
	defer engine.Close()
	config := &tls.Config{Certificates: certificates.TLS.Certificates, MinVersion: tls.VersionTLS13}
	app := asteri.HandlerFunc(func(x asteri.Exchange) { _ = x.Respond(http.StatusOK, nil, []byte(x.Request().Proto.String())) })
	srv, err := http3.Listen(engine, http3.Config{Addr: "127.0.0.1:0", TLS: func() *tls.Config { return config }}, app)
	if err != nil {
		fmt.Println(err)
		return
	}
	transport := &client.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}
	defer transport.Close()
	resp, err := (&http.Client{Transport: transport}).Get("https://" + srv.Addr().String())
	if err != nil {
		fmt.Println(err)
		return
	}
	body, err := io.ReadAll(resp.Body)
	resp.Body.Close()
	fmt.Printf("%s %v\n", body, err)
	// Output: HTTP/3 <nil>
}
