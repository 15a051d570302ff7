package contract

import (
	"net/http"
	"os"
	"path/filepath"
	"testing"

	"github.com/asteri/asteri-loop"
)

// A file that ends before its response does, when the handler has said its last word and
// the observer has been told, is told in the log.
func TestFilesThatAreTooShort(t *testing.T) {
	name := filepath.Join(t.TempDir(), "f")
	if err := os.WriteFile(name, []byte("1234"), 0o600); err != nil {
		t.Fatal(err)
	}
	overAll(t, func(t *testing.T) asteri.Handler {
		return asteri.HandlerFunc(func(x asteri.Exchange) {
			if string(x.Request().Path) != "/file" {
				ok(x)
				return
			}
			f, err := os.Open(name)
			if err != nil {
				t.Error(err)
			}
			_ = x.Start(200, header("Content-Length", "1000000"))
			_ = x.SendFile(f, 0, 1000000)
			if err := x.Finish(nil); err != nil {
				t.Error(err)
			}
		})
	}, func(t *testing.T, s *server) {
		c := s.client()
		s.want(c, "/file", nil, answer{})
		s.wantLogged("cannot read a file that is being sent")
		s.want(c, "/", nil, answer{200, "ok"})
	})
}

// sent is an observer that tells how many bytes were sent.
type sent chan asteri.Record

func (o sent) ExchangeDone(r *asteri.Record) { o <- *r }

// What was sent counts, whether there was content or not, and all heads.
func TestBytesSent(t *testing.T) {
	for _, name := range []string{"http1", "http2", "http3"} {
		t.Run(name, func(t *testing.T) {
			records := make(sent, 10)
			dated := header("Date", "Mon, 02 Jan 2006 15:04:05 GMT") // so that heads have one length
			s := serve(t, name, asteri.HandlerFunc(func(x asteri.Exchange) {
				switch string(x.Request().Path) {
				case "/none":
					_ = x.Respond(204, dated, nil)
				case "/hinted":
					_ = x.Inform(103, header("Link", "</a>; rel=preload"))
					_ = x.Respond(204, dated, nil)
				case "/empty":
					_ = x.Start(200, header("Content-Length", "0"))
					_ = x.Finish(nil)
				default:
					_ = x.Respond(200, dated, []byte("0123456789"))
				}
			}), asteri.WithObserver(records))
			c := s.client()
			sentFor := func(method, path string) int64 {
				t.Helper()
				req, err := http.NewRequest(method, s.url+path, nil)
				if err != nil {
					t.Fatal(err)
				}
				resp, err := c.Do(req)
				if err != nil {
					t.Fatal(err)
				}
				resp.Body.Close()
				return receive(t, "the observer is told", records).BytesSent
			}
			for range 3 { // after which the client knows the fields
				sentFor("GET", "/whole")
			}
			whole, head := sentFor("GET", "/whole"), sentFor("HEAD", "/whole")
			if head < 3 || whole-head != 10 {
				t.Errorf("%d bytes for a response, %d without its content of 10", whole, head)
			}
			sentFor("GET", "/none")
			if none, empty := sentFor("GET", "/none"), sentFor("GET", "/empty"); none < 3 || empty < 3 {
				t.Errorf("%d and %d bytes for responses without content", none, empty)
			}
			sentFor("GET", "/hinted")
			if none, hinted := sentFor("GET", "/none"), sentFor("GET", "/hinted"); hinted < none+3 {
				t.Errorf("%d bytes, %d with an interim response", none, hinted)
			}
		})
	}
}
