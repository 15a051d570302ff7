package workers

import (
	"log/slog"
	"net/http"
	"runtime"
	"testing"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/http1"
	"github.com/asteri/asteri-loop/internal/tests/enginetest"
	"github.com/asteri/asteri-loop/internal/tests/exchangetest"
	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// A model without options says why it answers 500.
func TestPanicsAreLoggedByDefault(t *testing.T) {
	var log logtest.Text
	before := slog.Default()
	slog.SetDefault(log.Logger())
	defer slog.SetDefault(before)
	h := HandlerFunc(func(*Call) { panic("as asked") })
	g := GTornado(h, Options{})
	defer g.Close()
	for name, model := range map[string]asteri.Handler{
		"asgi": ASGI(h, Options{}), "sync": Sync(h, Options{}), "gthread": GThread(h, Options{}), "gevent": Gevent(h, Options{}), "gtornado": g,
	} {
		if got := exchangetest.Get(t, exchangetest.NewExecutor(t), "/"+name).Answer(model); got.Status != 500 {
			t.Errorf("%s: %d", name, got.Status)
		}
		exchangetest.Eventually(t, name+" is logged", func() bool { return log.Has("handler panicked") && log.Has("path=/"+name) })
	}
}

// A function that takes an exchange over and does not return is no reason to wait for
// ever.
func TestTakeoverThatDoesNotReturn(t *testing.T) {
	for how, crash := range map[string]func(){"panic": func() { panic("as asked") }, "goexit": runtime.Goexit} {
		returned := make(chan error, 1)
		h := HandlerFunc(func(c *Call) {
			returned <- c.Takeover(func(asteri.Exchange) error {
				crash()
				return nil
			})
		})
		addr := enginetest.Serve(t, http1.Protocol(ASGI(h, Options{}), asteri.WithLogger(slog.New(slog.DiscardHandler))))
		client := http.Client{Timeout: enginetest.Patience}
		resp, err := client.Get("http://" + addr)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
		if resp.StatusCode != 500 {
			t.Errorf("%s: got %s", how, resp.Status)
		}
		if err := <-returned; err == nil {
			t.Errorf("%s: no error", how)
		}
	}
}
