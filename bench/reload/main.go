// Command reload measures how long it takes from the save of a file to the first answer of the new
// code, with this server and others that watch files, and what clients notice meanwhile.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/asteri/asteri-loop/bench/testbed"
)

// application is Flask's hello. The file that is saved is another one, as it mostly is.
const application = `from flask import Flask

import words

app = Flask(__name__)


@app.get("/")
def hello():
    return words.HELLO
`

// options are the flags.
type options struct {
	binary, venv, servers string
	rounds                int
}

// servers are those that watch files, with the arguments behind their programs; $PORT is where.
var servers = []struct {
	name string
	argv []string
}{
	{"asteri-loop dev", []string{"asteri-loop", "dev", "--reload-browser", "off", "-b", "127.0.0.1:$PORT", "app:app"}},
	{"asteri-loop --reload -w 4", []string{"asteri-loop", "--reload", "--reload-browser", "off", "-w", "4", "-b", "127.0.0.1:$PORT", "app:app"}},
	{"gunicorn --reload", []string{"gunicorn", "--reload", "-b", "127.0.0.1:$PORT", "app:app"}},
	{"uvicorn --reload", []string{"uvicorn", "--reload", "--interface", "wsgi", "--port", "$PORT", "app:app"}},
	{"granian --reload", []string{"granian", "--reload", "--interface", "wsgi", "--port", "$PORT", "app:app"}},
}

func main() { testbed.Main("reload", run) }

func parse(args []string) (o options, err error) {
	f := flag.NewFlagSet("reload", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "", "the server's `path`; without it the tree is built")
	f.StringVar(&o.venv, "venv", "bench/.peers/venv", "the `environment` of the other servers, with Flask")
	f.StringVar(&o.servers, "servers", "", "only servers whose names hold one of these `words`, separated by commas")
	f.IntVar(&o.rounds, "rounds", 15, "how many `times` a file is saved")
	return o, f.Parse(args)
}

func run(ctx context.Context, args []string, out io.Writer) error {
	o, err := parse(args)
	if err != nil {
		return err
	}
	at, err := testbed.Prepare(ctx, "asteri-reload-", o.binary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(at.Tmp)
	o.binary, o.venv = at.Binary, at.In(o.venv)
	fmt.Fprintln(out, "| server | median, ms | fastest | slowest | failed requests |\n|---|---|---|---|---|")
	for _, s := range servers {
		if !testbed.Wanted(s.name, o.servers) {
			continue
		}
		if err := o.measure(ctx, s.name, s.argv, at.Tmp, out); err != nil {
			return fmt.Errorf("%s: %w", s.name, err)
		}
	}
	return nil
}

// measure saves a file again and again and prints a row.
func (o *options) measure(ctx context.Context, name string, argv []string, tmp string, out io.Writer) (err error) {
	dir, err := os.MkdirTemp(tmp, "app")
	if err != nil {
		return err
	}
	free, err := testbed.FreePort()
	if err != nil {
		return err
	}
	port := strconv.Itoa(free)
	words := filepath.Join(dir, "words.py")
	if err := errors.Join(os.WriteFile(filepath.Join(dir, "app.py"), []byte(application), 0o600), save(words, "begin")); err != nil {
		return err
	}
	p, err := testbed.Start(o.command(argv, port), dir, filepath.Join(tmp, "log"))
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.Stop(5*time.Second)) }()
	w := watcher{url: "http://127.0.0.1:" + port + "/"}
	if err := p.Ready(ctx, func(ctx context.Context) error { _, err := w.ask(ctx); return err }); err != nil {
		return p.Explain(err)
	}
	var took []time.Duration
	for n := range o.rounds {
		// So long that each save has a second of its own, by which Python tells files apart,
		// and by chance, since some look now and then.
		if err := pause(ctx, 2*time.Second+rand.N(time.Second)); err != nil {
			return err
		}
		text := fmt.Sprint("hello ", n)
		began := time.Now()
		if err := save(words, text); err != nil {
			return err
		}
		if err := w.await(ctx, text); err != nil {
			return p.Explain(err)
		}
		took = append(took, time.Since(began))
	}
	slices.Sort(took)
	fmt.Fprintf(out, "| %s | %d | %d | %d | %d |\n", name, took[len(took)/2].Milliseconds(), took[0].Milliseconds(), took[len(took)-1].Milliseconds(), w.failed)
	return nil
}

// command completes the arguments of a server.
func (o *options) command(argv []string, port string) []string {
	argv = slices.Clone(argv)
	for i := range argv {
		argv[i] = strings.ReplaceAll(argv[i], "$PORT", port)
	}
	if argv[0] == "asteri-loop" {
		argv[0] = o.binary
		return append(argv, "--python", o.venv)
	}
	argv[0] = filepath.Join(o.venv, "bin", argv[0])
	return argv
}

func save(name, text string) error {
	return os.WriteFile(name, fmt.Appendf(nil, "HELLO = %q\n", text), 0o600)
}

func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// watcher asks again and again.
type watcher struct {
	url    string
	failed int
}

// await asks, on a new connection each time, until the answer is text.
func (w *watcher) await(ctx context.Context, text string) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for {
		answer, err := w.ask(ctx)
		switch {
		case ctx.Err() != nil:
			return fmt.Errorf("no answer of the new code: %w", ctx.Err())
		case err != nil:
			w.failed++
		case answer == text:
			return nil
		}
		if err := pause(ctx, 2*time.Millisecond); err != nil {
			return err
		}
	}
}

var client = &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}

func (w *watcher) ask(ctx context.Context) (string, error) {
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, w.url, nil)
	if err != nil {
		return "", err
	}
	response, err := client.Do(r)
	if err != nil {
		return "", err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err == nil && response.StatusCode != http.StatusOK {
		err = errors.New(response.Status)
	}
	return string(body), err
}
