package main

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A native handler on the loop is called back: there is nobody to be timed.
func TestTimeoutOfTheDemonstration(t *testing.T) {
	for _, model := range []string{"sync", "gthread", "gevent", "asgi", "gtornado"} {
		t.Run(model, func(t *testing.T) {
			p := start(t, t.TempDir(), "-w", model, "-t", "100ms")
			for range 2 {
				if got := get(t, client(), p.url("http")+"/sleep/60000"); got.StatusCode != 504 {
					t.Errorf("%d", got.StatusCode)
				}
			}
			if got := get(t, client(), p.url("http")+"/plaintext"); got.StatusCode != 200 {
				t.Errorf("after it: %d", got.StatusCode)
			}
			p.await("[ERROR] request timed out")
			p.await("(*Call).Sleep") // in the stack
			eventually(t, "the report", func() bool {
				r := report(t, p)
				return len(r.Workers) == 1 && r.Workers[0].Served == 3 && r.Workers[0].State == "IDLE" && r.Workers[0].InFlight == 0
			})
			if w := report(t, p).Workers[0]; w.Model != model || w.PID != p.cmd.Process.Pid {
				t.Errorf("%+v", w)
			}
		})
	}
}

func TestDemonstrationReloads(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "asteri.toml")
	write := func(text string) {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	write("workers = 'gthread:2'\nqueue_size = 7\ntimeout = '100ms'")
	p := start(t, dir)
	if got := get(t, client(), p.url("http")+"/sleep/500"); got.StatusCode != 504 {
		t.Errorf("%d", got.StatusCode)
	}
	if q := report(t, p).Queue; q == nil || q.Capacity != 7 {
		t.Errorf("%+v", q)
	}
	write("workers = 'gevent'\nqueue_size = 7\ntimeout = 0")
	p.signal(syscall.SIGHUP)
	p.await("[INFO] Reloaded")
	if got := get(t, client(), p.url("http")+"/sleep/500"); got.StatusCode != 200 {
		t.Errorf("%d", got.StatusCode)
	}
	eventually(t, "the report", func() bool {
		r := report(t, p)
		return r.Application.Model == "gevent" && r.Workers[0].Served == 1
	})
	if strings.Contains(p.log.String(), "restart") {
		t.Error("a restart must not be needed")
	}
}
