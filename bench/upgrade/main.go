// Command upgrade counts what clients lose while a server's workers are killed, reloaded and
// recycled, and the server itself is replaced ten times, three of them by one that cannot
// start: with this server and, as far as they can, with others.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/bench/testbed"
)

// application answers in both interfaces of Python, and echoes WebSockets.
const application = `def wsgi(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "5")])
    return [b"hello"]


async def asgi(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"5")]})
        await send({"type": "http.response.body", "body": b"hello"})
        return
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": message["text"]})
`

// conf is a configuration of gunicorn's that keeps a new process from starting while there is
// a file. Were the application broken instead, the old one would end, too, with the first
// worker that is recycled.
const conf = `import os
if os.path.exists(os.path.join(os.path.dirname(__file__), "broken")):
    raise RuntimeError("this release is broken")
`

// options are the flags.
type options struct {
	binary, venv, servers string
	duration              time.Duration
}

// bed is where one server runs.
type bed struct {
	*options
	dir, port string
	program   string // this server's, which is replaced
	first     *testbed.Process
	main      int // the process that is to be signalled
}

// upgrades is how often a server is replaced, and every third one cannot start.
const upgrades = 10

func cannotStart(n int) bool { return n%3 == 0 }

func main() { testbed.Main("upgrade", run) }

func run(ctx context.Context, args []string, out io.Writer) error {
	var o options
	f := flag.NewFlagSet("upgrade", flag.ContinueOnError)
	f.StringVar(&o.binary, "binary", "", "the server's `path`; without it the tree is built")
	f.StringVar(&o.venv, "venv", "bench/.peers/venv", "the `environment` of the other servers")
	f.StringVar(&o.servers, "servers", "", "only servers whose names hold one of these `words`, separated by commas")
	f.DurationVar(&o.duration, "duration", 2*time.Minute, "the `time` for each server")
	if err := f.Parse(args); err != nil {
		return err
	}
	at, err := testbed.Prepare(ctx, "up", o.binary)
	if err != nil {
		return err
	}
	defer os.RemoveAll(at.Tmp)
	o.binary, o.venv = at.Binary, at.In(o.venv)
	fmt.Fprintln(out, "| server | load | answered | failed | of these resets | WebSockets cut without a Close | counters that fell |\n|---|---|---|---|---|---|---|")
	for _, p := range peers {
		if !testbed.Wanted(p.name, o.servers) {
			continue
		}
		dir, err := os.MkdirTemp(at.Tmp, "s")
		if err != nil {
			return err
		}
		b := &bed{options: &o, dir: dir, program: filepath.Join(dir, "server")}
		if err := b.measure(ctx, p, out); err != nil {
			return fmt.Errorf("%s: %w", p.name, err)
		}
	}
	return nil
}

// measure has one server go through all of it, and prints its rows.
func (b *bed) measure(ctx context.Context, p peer, out io.Writer) (err error) {
	port, err := testbed.FreePort()
	if err != nil {
		return err
	}
	b.port = strconv.Itoa(port)
	write := func(name, text string) error { return os.WriteFile(filepath.Join(b.dir, name), []byte(text), 0o600) }
	if err := errors.Join(write("app.py", application), write("conf.py", conf), b.install()); err != nil {
		return err
	}
	if err := b.start(ctx, p); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, b.first.Stop(5*time.Second)) }()
	loads, done := context.WithCancel(ctx)
	defer done()
	var all sync.WaitGroup
	var tallies []*tally
	for _, name := range p.loads {
		t := &tally{name: name}
		tallies = append(tallies, t)
		all.Go(func() { t.run(loads, "127.0.0.1:"+b.port) })
	}
	if err := b.trouble(ctx, p); err != nil {
		return b.first.Explain(err)
	}
	done()
	all.Wait()
	for _, t := range tallies {
		fmt.Fprintf(out, "| %s | %s | %d | %d | %d | %d | %s |\n", p.name, t.name, t.answered, t.failed, t.resets, t.cut, t.counters())
		for _, why := range t.why {
			fmt.Fprintf(os.Stderr, "%s, %s: %s\n", p.name, t.name, why)
		}
	}
	return nil
}

// trouble kills a worker, reloads and replaces the server, in turns.
func (b *bed) trouble(ctx context.Context, p peer) error {
	pause := b.duration / (3 * upgrades)
	for n := 1; n <= upgrades; n++ {
		for _, do := range []func() error{
			func() error { return b.killWorker() },
			func() error { return syscall.Kill(b.main, syscall.SIGHUP) },
			func() error { return p.replace(ctx, b, p, cannotStart(n)) },
		} {
			began := time.Now()
			if err := do(); err != nil {
				return err
			}
			select {
			case <-time.After(pause - time.Since(began)):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
	}
	return nil
}

// start starts a server and waits until it answers.
func (b *bed) start(ctx context.Context, p peer) (err error) {
	argv := slices.Clone(p.argv)
	for i := range argv {
		argv[i] = strings.NewReplacer("$PORT", b.port, "$DIR", b.dir, "$PYTHON", b.venv).Replace(argv[i])
	}
	if argv[0] != b.program {
		argv[0] = filepath.Join(b.venv, "bin", argv[0])
	}
	log := filepath.Join(b.dir, fmt.Sprintf("log%d", time.Now().Unix()))
	if b.first, err = testbed.Start(argv, b.dir, log); err != nil {
		return err
	}
	b.main = b.first.PID
	return b.first.Ready(ctx, func(context.Context) error { return (&tally{}).once("127.0.0.1:" + b.port) })
}

// install puts the program in its place.
func (b *bed) install() error {
	text, err := os.ReadFile(b.binary)
	if err == nil {
		err = os.WriteFile(b.program+".new", text, 0o755)
	}
	if err == nil {
		err = os.Rename(b.program+".new", b.program)
	}
	return err
}
