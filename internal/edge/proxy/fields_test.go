package proxy

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
)

// names answers with the names of the fields, and of the trailer fields, that it got.
func names(w http.ResponseWriter, r *http.Request) {
	_, _ = io.Copy(io.Discard, r.Body)
	_ = json.NewEncoder(w).Encode([][]string{slices.Sorted(maps.Keys(r.Header)), slices.Sorted(maps.Keys(r.Trailer))})
}

// forgeries are fields by which a client might pass for somebody else.
var forgeries = []string{
	"REMOTE_USER", "Script_Name", "X_Forwarded_For", "x_real_ip", "Transfer_Encoding", "Content_Length", "_", "X-Mixed_Up",
	"X-Forwarded-Ssl", "X-Forwarded-Prefix", "X-Real-IP", "Proxy",
}

// What a client has no say in does not reach the server: not as a field, nor as a trailer
// field, nor with the handshake of a WebSocket.
func TestForgedFields(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(names))
	defer server.Close()
	told := "Forwarded X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto"
	for _, c := range []struct {
		underscores    bool
		fields, trails string
	}{
		{false, "Accept " + told, "Checksum"},
		// The settings may let them pass, but not in the name of what is told, or of what
		// frames a request.
		{true, "Accept Forwarded Remote_user Script_name X-Forwarded-For X-Forwarded-Host X-Forwarded-Proto X-Mixed_up _",
			"Checksum Remote_user Script_name Unannounced_too X-Mixed_up _"},
	} {
		addr := enginetest.Serve(t, http1.Protocol(newProxy(t, Options{Target: server.URL, Underscores: c.underscores})))
		conn, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		fmt.Fprint(conn, "POST / HTTP/1.1\r\nHost: x\r\nAccept: yes\r\nTransfer-Encoding: chunked\r\n")
		fmt.Fprint(conn, "Trailer: Checksum, X-Forwarded-For, Authorization, "+strings.Join(forgeries, ", ")+"\r\n")
		for _, name := range forgeries {
			fmt.Fprintf(conn, "%s: root\r\n", name)
		}
		fmt.Fprint(conn, "\r\n1\r\nx\r\n0\r\nChecksum: 42\r\nX-Forwarded-For: 1.1.1.1\r\nAuthorization: x\r\nUnannounced_Too: y\r\n")
		for _, name := range forgeries {
			fmt.Fprintf(conn, "%s: root\r\n", name)
		}
		fmt.Fprint(conn, "\r\n")
		res, err := http.ReadResponse(bufio.NewReader(conn), nil)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var got [][]string
		if err := json.NewDecoder(res.Body).Decode(&got); err != nil {
			t.Fatalf("%d: %v", res.StatusCode, err)
		}
		if fields := strings.Join(got[0], " "); fields != c.fields {
			t.Errorf("server got %s, want %s", fields, c.fields)
		}
		if trails := strings.Join(got[1], " "); trails != c.trails {
			t.Errorf("server got trailer fields %s, want %s", trails, c.trails)
		}
	}
}

func TestForgedFieldsOfHandshakes(t *testing.T) {
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		for name := range r.Header {
			if strings.Contains(name, "_") || name == "Proxy" || name == "X-Real-Ip" || name == "X-Forwarded-Ssl" {
				t.Errorf("server got %s", name)
			}
		}
		w.WriteHeader(http.StatusForbidden)
	}))
	defer server.Close()
	h := newProxy(t, Options{Target: server.URL})
	e := exchangetest.NewExecutor(t)
	for _, protocol := range []string{"", "websocket"} {
		r := asteri.Request{Method: "GET", Header: asteri.Header{}}
		if protocol != "" {
			r.Method, r.Proto, r.Protocol = "CONNECT", asteri.HTTP2, protocol
		}
		r.Header.Add("Upgrade", "websocket")
		r.Header.Add("Connection", "upgrade")
		for _, name := range forgeries {
			r.Header.Add(name, "root")
		}
		if res := exchangetest.New(t, e, r).Answer(h); res.Status != http.StatusForbidden {
			t.Errorf("%q: %d, %v", protocol, res.Status, res.Err)
		}
	}
}
