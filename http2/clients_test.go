package http2_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/netip"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
	"github.com/asteri/asteri-loop/workers/nethttp"
)

// dial returns a client of net/http for the server at addr, which speaks HTTP/2 only.
func dial(t testing.TB, addr netip.AddrPort, secure bool) (*http.Client, string) {
	tr := &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}, Protocols: new(http.Protocols)}
	scheme := "http"
	if secure {
		scheme = "https"
		tr.Protocols.SetHTTP2(true)
	} else {
		tr.Protocols.SetUnencryptedHTTP2(true)
	}
	t.Cleanup(tr.CloseIdleConnections)
	return &http.Client{Transport: tr, Timeout: 30 * time.Second}, scheme + "://" + addr.String()
}

// application is a net/http handler, on goroutines.
func application() asteri.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/echo", func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Trailer", "X-Length")
		n, _ := io.Copy(w, r.Body)
		w.Header().Set("X-Length", strconv.FormatInt(n, 10))
	})
	mux.HandleFunc("/bytes", func(w http.ResponseWriter, r *http.Request) {
		n, _ := strconv.Atoi(r.FormValue("n"))
		_, _ = w.Write(bytes.Repeat([]byte("a"), n))
	})
	mux.HandleFunc("/wait", func(w http.ResponseWriter, r *http.Request) { <-r.Context().Done() })
	mux.HandleFunc("/slow", func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
	})
	return workers.ASGI(nethttp.Handler(mux), workers.Options{})
}

// TestClient has many requests of all sizes go at the same time over one
// connection, up and down, while others stand still.
func TestClient(t *testing.T) {
	for _, secure := range []bool{false, true} {
		t.Run(fmt.Sprintf("TLS %v", secure), func(t *testing.T) {
			client, base := dial(t, listen(t, secure, application()), secure)
			ctx, cancel := context.WithCancel(context.Background())
			defer cancel()
			var wg sync.WaitGroup
			slow, err := http.NewRequestWithContext(ctx, "GET", base+"/bytes?n=10000000", nil) // that nobody reads
			if err != nil {
				t.Fatal(err)
			}
			res, err := client.Do(slow)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			for i := range 40 {
				wg.Go(func() { echo(t, client, base, 1<<(i%21)) })
				wg.Go(func() { download(t, client, base, 3<<(i%20)) })
			}
			wg.Wait()
			cancel()
		})
	}
}

func echo(t *testing.T, client *http.Client, base string, n int) {
	sent := bytes.Repeat([]byte("0123456789"), n/10+1)
	res, err := client.Post(base+"/echo", "text/plain", io.MultiReader(bytes.NewReader(sent))) // of a length that is not known
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || !bytes.Equal(got, sent) || res.Proto != "HTTP/2.0" {
		t.Errorf("%d bytes came of %d: %v", len(got), len(sent), err)
	}
	if trailer := res.Trailer.Get("X-Length"); trailer != strconv.Itoa(len(sent)) {
		t.Errorf("trailer says %q", trailer)
	}
}

func download(t *testing.T, client *http.Client, base string, n int) {
	res, err := client.Get(base + "/bytes?n=" + strconv.Itoa(n))
	if err != nil {
		t.Error(err)
		return
	}
	defer res.Body.Close()
	got, err := io.ReadAll(res.Body)
	if err != nil || len(got) != n {
		t.Errorf("%d bytes came of %d: %v", len(got), n, err)
	}
}

// A client that cancels has its handler's context ended.
func TestClientCancels(t *testing.T) {
	done := make(chan struct{})
	h := workers.ASGI(nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.WriteHeader(200)
		_ = http.NewResponseController(w).Flush()
		<-r.Context().Done()
		close(done)
	})), workers.Options{})
	client, base := dial(t, listen(t, true, h), true)
	ctx, cancel := context.WithCancel(context.Background())
	r, err := http.NewRequestWithContext(ctx, "GET", base, nil)
	if err != nil {
		t.Fatal(err)
	}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	cancel()
	select {
	case <-done:
	case <-time.After(10 * time.Second):
		t.Error("the handler was not told")
	}
	if _, err := io.ReadAll(res.Body); !errors.Is(err, context.Canceled) {
		t.Errorf("error is %v", err)
	}
	res.Body.Close()
}

// Trailers of a request are announced, and filled in at its end.
func TestRequestTrailersOfNetHTTP(t *testing.T) {
	h := workers.ASGI(nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, announced := r.Trailer["X-Sum"]
		_, _ = io.Copy(io.Discard, r.Body)
		fmt.Fprint(w, announced, r.Trailer.Get("X-Sum"), r.Header.Get("Trailer"))
	})), workers.Options{})
	client, base := dial(t, listen(t, false, h), false)
	r, err := http.NewRequest("POST", base, io.MultiReader(strings.NewReader("abc")))
	if err != nil {
		t.Fatal(err)
	}
	r.Trailer = http.Header{"X-Sum": {"6"}}
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if got, _ := io.ReadAll(res.Body); string(got) != "true6" {
		t.Errorf("got %q", got)
	}
}

// Fields reach a net/http handler in their canonical form, and the other way round.
func TestFieldsOfNetHTTP(t *testing.T) {
	h := workers.ASGI(nethttp.Handler(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-Test") != "1" || r.Header.Get("Cookie") != "a=1; b=2" || r.Host == "" || r.ProtoMajor != 2 || len(r.TransferEncoding) != 0 {
			t.Errorf("request is %+v", r)
		}
		w.Header().Set("X-Answer", strings.ToUpper(r.Header.Get("X-Test")+"a"))
	})), workers.Options{})
	client, base := dial(t, listen(t, false, h), false)
	r, _ := http.NewRequest("GET", base+"/a?b", nil)
	r.Header.Set("X-Test", "1")
	r.AddCookie(&http.Cookie{Name: "a", Value: "1"})
	r.AddCookie(&http.Cookie{Name: "b", Value: "2"})
	res, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.Header.Get("X-Answer") != "1A" {
		t.Errorf("response is %v", res.Header)
	}
}
