package contract

import (
	"net/http"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/status"
)

// Visits of the status streams leave no connection behind.
func TestStatusStreamsOfClientsThatHaveLeft(t *testing.T) {
	const token = "0123456789abcdef"
	overAll(t, func(t *testing.T) asteri.Handler {
		m := status.New(status.Options{Token: token})
		t.Cleanup(m.Close)
		return m.Handler(asteri.HandlerFunc(ok))
	}, func(t *testing.T, s *server) {
		for _, path := range []string{"/asteri-status/events", "/asteri-status/events?as=html", "/asteri-status/logs/stream"} {
			for range 3 {
				req, err := http.NewRequest(http.MethodGet, s.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				req.Header.Set("Authorization", "Bearer "+token)
				resp, err := s.client().Do(req)
				if err != nil {
					t.Fatal(err)
				}
				defer resp.Body.Close()
				if _, err := resp.Body.Read(make([]byte, 1)); err != nil || resp.StatusCode != http.StatusOK {
					t.Fatalf("%s: %s, %v", path, resp.Status, err)
				}
			}
		}
		s.mu.Lock()
		for _, c := range s.conns { // as a client's system does that the client has left
			if err := c.(closeWriter).CloseWrite(); err != nil {
				t.Error(err)
			}
		}
		s.mu.Unlock()
		s.wantNoConnections()
	})
}
