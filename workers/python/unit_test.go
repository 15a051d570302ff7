package python

import (
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/awake"
	"github.com/asteri/asteri-loop/internal/descriptors"
	"github.com/asteri/asteri-loop/internal/marshal"
	"github.com/asteri/asteri-loop/loop"
)

// recorder is an exchange that notes what is done with it.
type recorder struct {
	req     asteri.Request
	home    asteri.Executor
	queued  int
	events  []string
	onDrain func()
	ended   bool
}

func (x *recorder) note(format string, args ...any) error {
	if x.ended {
		return asteri.ErrClosed
	}
	x.events = append(x.events, fmt.Sprintf(format, args...))
	return nil
}

func (x *recorder) Request() *asteri.Request                  { return &x.req }
func (x *recorder) ReadBody(asteri.BodySink)                  {}
func (x *recorder) Consumed(n int)                            { x.note("consumed %d", n) }
func (x *recorder) Inform(status int, _ *asteri.Header) error { return x.note("inform %d", status) }
func (x *recorder) Start(status int, _ *asteri.Header) error  { return x.note("start %d", status) }
func (x *recorder) Write(p []byte) (int, error)               { return x.queued, x.note("write %d", len(p)) }
func (x *recorder) OnDrain(fn func())                         { x.onDrain = fn }
func (x *recorder) OnCancel(func(error))                      {}
func (x *recorder) Post(fn func()) bool                       { return x.home.Post(fn) }
func (x *recorder) Reserve(int)                               {}
func (x *recorder) SetTimeout(time.Duration)                  {}

func (x *recorder) Home() asteri.Executor { return x.home }

func (x *recorder) SendFile(f asteri.File, off, n int64) error {
	f.Close()
	return x.note("file %d+%d", off, n)
}

func (x *recorder) Finish(*asteri.Header) error {
	err := x.note("finish")
	x.ended = true
	return err
}

func (x *recorder) Respond(status int, h *asteri.Header, body []byte) error {
	err := x.note("respond %d %d %d", status, h.Len(), len(body))
	x.ended = true
	return err
}

func (x *recorder) Upgrade(asteri.UpgradeKind, *asteri.Header) (asteri.Tunnel, error) {
	return nil, errors.ErrUnsupported
}

func (x *recorder) Abort(cause error) {
	x.note("abort %v", cause)
	x.ended = true
}

func newRecorder(home asteri.Executor) *recorder {
	x := &recorder{home: home}
	x.req = asteri.Request{Method: "GET", Proto: asteri.HTTP11, Scheme: "http", Path: []byte("/"), Peer: &asteri.Peer{}}
	return x
}

// idleLoop returns a loop that does not run: the test is its goroutine.
func idleLoop(t testing.TB) *loop.Loop {
	t.Helper()
	eng, err := loop.New(loop.Config{Loops: 1})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { eng.Close() })
	return eng.Loops()[0]
}

func testPool() *Pool {
	cfg := Config{QueueSize: 3}.withDefaults()
	p := newPool(&cfg)
	p.supervisor = newSupervisor(p, &cfg)
	return p
}

func testWorker(p *Pool, capacity int, on *loop.Loop) *worker {
	w := &worker{pool: p, cfg: p.config(), loop: on, log: slog.New(slog.DiscardHandler), parted: make(chan struct{})}
	w.room.capacity = capacity
	return w
}

func testCall(p *Pool, home asteri.Executor) *call {
	x := newRecorder(home)
	return &call{pool: p, x: x, req: &x.req, home: home}
}

func TestDispatcherChoosesTheLeastBusy(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	here, there := idleLoop(t), idleLoop(t)
	a, b := testWorker(p, 2, there), testWorker(p, 2, here)
	d.add(a)
	d.add(b)
	var got []*worker
	for range 4 {
		w, refused := d.submit(testCall(p, here), here)
		if refused != nil {
			t.Fatal("refused")
		}
		got = append(got, w)
	}
	if want := []*worker{b, a, b, a}; !slices.Equal(got, want) {
		t.Error("ties did not go to the local loop, or a busier worker was chosen")
	}
	if w, refused := d.submit(testCall(p, here), here); w != nil || refused != nil {
		t.Error("a call was placed beyond the capacity, or refused")
	}
}

func TestDispatcherQueue(t *testing.T) {
	p := testPool()
	d := p.dispatcher
	defer d.close()
	l := idleLoop(t)
	var calls []*call
	for range 3 {
		c := testCall(p, l)
		calls = append(calls, c)
		if w, refused := d.submit(c, l); w != nil || refused != nil {
			t.Fatal("without a worker calls wait")
		}
	}
	one := testCall(p, l)
	if _, refused := d.submit(one, l); refused != one {
		t.Error("the queue has no bound")
	}
	again := testCall(p, l)
	if _, ok := d.resubmit(again, l, nil); !ok {
		t.Error("a call that had a place was refused")
	}
	if was, _ := d.withdraw(calls[1]); !was {
		t.Error("a waiting call was not withdrawn")
	}
	if was, w := d.withdraw(calls[1]); was || w != nil {
		t.Error("a call was withdrawn twice")
	}
	w := testWorker(p, 1, l)
	if got := d.add(w); len(got) != 1 || got[0] != again {
		t.Error("the call that came back was not first")
	}
	if was, at := d.withdraw(again); was || at != w {
		t.Error("a placed call is not where it is")
	}
	if got := d.release(w, 1, time.Second, nil); len(got) != 1 || got[0] != calls[0] {
		t.Error("calls do not keep their order")
	}
	if old := d.expire(awake.Now() + time.Hour); len(old) != 1 || old[0] != calls[2] || d.waiting() != 0 {
		t.Error("the last call did not expire")
	}
	d.remove(w)
	if got, refused := d.submit(testCall(p, l), l); got != nil || refused != nil {
		t.Error("a removed worker was given a call")
	}
}

func TestCreditFollowsTheWorkersSpeed(t *testing.T) {
	r := room{capacity: 1}
	for range 20 {
		r.adapt(1, 100*time.Microsecond)
	}
	if r.credit != maxCredit {
		t.Errorf("credit of a quick worker is %d", r.credit)
	}
	r.adapt(1, 20*time.Millisecond)
	r.adapt(1, 20*time.Millisecond)
	r.adapt(1, 20*time.Millisecond)
	if r.credit != 0 {
		t.Errorf("credit of a slow worker is %d", r.credit)
	}
	many := room{capacity: 1000}
	many.adapt(5, 0)
	if many.credit != 0 {
		t.Error("a worker that starts all it gets has credit")
	}
}

func TestCallTable(t *testing.T) {
	var table callTable
	table.init(2)
	table.lastID = 1<<32 - 3 // ids wrap around, and 0 is not one
	now := time.Now()
	var calls []*call
	for range 5 {
		c := new(call)
		table.add(c, now)
		calls = append(calls, c)
	}
	var ids []uint32
	for _, c := range table.all(nil) {
		ids = append(ids, c.id)
	}
	if want := []uint32{1<<32 - 2, 1<<32 - 1, 1, 2, 3}; !reflect.DeepEqual(ids, want) {
		t.Errorf("ids %v", ids)
	}
	started := func() (n int) {
		for _, c := range calls {
			if table.has(c) && !c.started.IsZero() {
				n++
			}
		}
		return n
	}
	if started() != 2 || len(table.waiting) != 3 {
		t.Errorf("%d run, %d wait", started(), len(table.waiting))
	}
	table.remove(calls[3], now) // one that waits
	table.remove(calls[0], now)
	if started() != 2 || calls[2].started.IsZero() || table.open != 3 || len(table.waiting) != 1 {
		t.Errorf("%d run of %d open, %d wait", started(), table.open, len(table.waiting))
	}
	if table.get(0) != nil || table.get(77) != nil || table.get(1) != calls[2] || table.has(calls[0]) {
		t.Error("lookups are wrong")
	}
}

// A long call keeps its slot while ids go round.
func TestCallTableSkipsOccupiedSlots(t *testing.T) {
	var table callTable
	table.init(1)
	long := new(call)
	table.add(long, time.Time{})
	for range 10 * len(table.slots) {
		c := new(call)
		table.add(c, time.Time{})
		if c.id&uint32(len(table.slots)-1) == long.id&uint32(len(table.slots)-1) {
			t.Fatal("two calls in one slot")
		}
		table.remove(c, time.Time{})
	}
	if table.get(long.id) != long {
		t.Error("the long call is lost")
	}
}

func encoded(t *testing.T, wsgi bool, r *asteri.Request, body content) []any {
	t.Helper()
	e := requestEncoder{wsgi: wsgi}
	e.Reset(nil, &atoms)
	e.List(2)
	e.request(7, r, body)
	e.request(8, r, body) // nothing of the first may stay
	v, err := marshal.Decode(e.Buf)
	if err != nil {
		t.Fatal(err)
	}
	list := v.([]any)
	first, second := list[0].([]any), list[1].([]any)
	if !reflect.DeepEqual(first[1:], second[1:]) {
		t.Errorf("the second request is %v, the first %v", second, first)
	}
	return first
}

func requestOf(fields ...string) *asteri.Request {
	r := &asteri.Request{
		Method: "POST", Proto: asteri.HTTP11, Scheme: "https", Path: []byte("/a%20b"), Query: []byte("q=\xe9"),
		Authority: []byte("host:1"), ContentLength: 3,
		Peer: &asteri.Peer{Remote: netip.MustParseAddrPort("[::ffff:10.0.0.1]:99"), Local: netip.MustParseAddrPort("[::1]:443")},
	}
	for i := 0; i < len(fields); i += 2 {
		r.Header.Add(fields[i], fields[i+1])
	}
	return r
}

func TestRequestForWSGI(t *testing.T) {
	r := requestOf("Host", "other", "Cookie", "a=1", "X-One", "1", "cookie", "b=2", "x-one", "2", "X_One", "bad",
		"Content-Type", "text/x", "Content-Length", "3", "Accept", "caf\xe9")
	got := encoded(t, true, r, content{inline: []byte("abc"), length: 3})
	want := []any{
		int64(7), "POST", "https", "1.1", []byte("/a%20b"), "q=é",
		map[string]any{"HTTP_HOST": "host:1", "HTTP_COOKIE": "a=1; b=2", "HTTP_X_ONE": "1, 2", "CONTENT_TYPE": "text/x", "CONTENT_LENGTH": "3", "HTTP_ACCEPT": "café"},
		[]any{"10.0.0.1", int64(99)}, []any{"::1", int64(443)}, []byte("abc"), int64(3),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}

// What a trusted proxy says has keys that no field of a client becomes.
func TestRequestOfAProxyForWSGI(t *testing.T) {
	for want, proxy := range map[string]*asteri.Proxy{
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil]":                                  {},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil SCRIPT_NAME:/app]":                 {Root: "/app"},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil REMOTE_USER:b\u00f6b]":             {User: "b\xf6b"},
		"map[HTTP_HOST:host:1 HTTP_SCRIPT_NAME:/evil REMOTE_USER:bob SCRIPT_NAME:/app]": {Root: "/app", User: "bob"},
	} {
		r := requestOf("Script-Name", "/evil", "SCRIPT_NAME", "/evil", "REMOTE_USER", "eve")
		r.Peer.Proxy = proxy
		if got := fmt.Sprint(encoded(t, true, r, content{})[6]); got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
}

func TestUnderscoresAsHyphens(t *testing.T) {
	e := requestEncoder{wsgi: true, underscores: true}
	e.Reset(nil, &atoms)
	e.List(1)
	e.request(7, requestOf("X-Forwarded-For", "1", "X_Forwarded_For", "2", "My_Own", "3", "my-own", "4", "Content_Length", "9"), content{})
	v, err := marshal.Decode(e.Buf)
	if err != nil {
		t.Fatal(err)
	}
	got := fmt.Sprint(v.([]any)[0].([]any)[6])
	if want := "map[HTTP_HOST:host:1 HTTP_MY_OWN:3, 4 HTTP_X_FORWARDED_FOR:1, 2]"; got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestRequestForASGI(t *testing.T) {
	r := requestOf("Cookie", "a=1", "COOKIE", "b=2", "X_One", "kept", "X-Two", "\xff")
	r.Peer = &asteri.Peer{SocketPath: "/run/s"}
	got := encoded(t, false, r, content{stream: true, length: -1})
	b := func(s string) []byte { return []byte(s) }
	want := []any{
		int64(7), "POST", "https", "1.1", b("/a%20b"), b("q=\xe9"),
		[]any{
			[]any{b("host"), b("host:1")}, []any{b("cookie"), b("a=1")}, []any{b("cookie"), b("b=2")},
			[]any{b("x_one"), b("kept")}, []any{b("x-two"), b("\xff")},
		},
		nil, []any{"/run/s", nil}, nil, int64(-1),
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %q\nwant %q", got, want)
	}
	if got := encoded(t, false, r, content{file: descriptors.NewFile(os.Stdin), length: 1 << 33})[9]; got != int64(1<<33) {
		t.Errorf("a body in a file is %v", got)
	}
}

// ASGI and Tornado get the root that a trusted proxy says in a place of its own.
func TestRequestOfAProxyForASGI(t *testing.T) {
	r := requestOf("Script-Name", "/evil", "SCRIPT_NAME", "/evil")
	r.Peer.Proxy = &asteri.Proxy{}
	if got := encoded(t, false, r, content{}); len(got) != 11 {
		t.Errorf("got %q", got)
	}
	r.Peer.Proxy.Root = "/caf\xc3\xa9"
	if got := encoded(t, false, r, content{}); len(got) != 12 || !reflect.DeepEqual(got[11], []byte("/caf\xc3\xa9")) {
		t.Errorf("got %q", got)
	}
}

func TestFieldNamesAreFoundWhateverTheirCase(t *testing.T) {
	for _, f := range fieldTable.slots {
		if f == nil {
			continue
		}
		for _, name := range []string{f.name, strings.ToUpper(f.name), strings.ToTitle(f.name[:1]) + f.name[1:]} {
			if fieldTable.find([]byte(name)) != f {
				t.Errorf("%q is not found", name)
			}
		}
	}
	for _, name := range []string{"", "x", "accepts", "x-forwarded-fox"} {
		if fieldTable.find([]byte(name)) != nil {
			t.Errorf("%q is found", name)
		}
	}
}

func TestInterpreter(t *testing.T) {
	dir := t.TempDir()
	bin := filepath.Join(dir, ".venv", "bin")
	if err := os.MkdirAll(bin, 0o700); err != nil {
		t.Fatal(err)
	}
	python := filepath.Join(bin, "python")
	if err := os.WriteFile(python, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("VIRTUAL_ENV", "")
	for _, c := range []Config{
		{Chdir: dir, App: "app"}, {Chdir: "/", App: filepath.Join(dir, "app.py") + ":app"}, {Interpreter: python},
	} {
		if got, err := c.interpreter(); got != python || err != nil {
			t.Errorf("%+v: got %s, %v", c, got, err)
		}
	}
	t.Setenv("VIRTUAL_ENV", filepath.Join(dir, ".venv"))
	if got, err := (&Config{Chdir: "/"}).interpreter(); got != python || err != nil {
		t.Errorf("VIRTUAL_ENV: got %s, %v", got, err)
	}
	t.Setenv("PATH", "")
	t.Setenv("VIRTUAL_ENV", "")
	var boot *BootError
	if _, err := (&Config{Chdir: "/"}).interpreter(); !errors.As(err, &boot) || boot.Hint == "" {
		t.Errorf("no Python: %v", err)
	}
}

func TestBackoff(t *testing.T) {
	want := []time.Duration{0, 0, 100 * time.Millisecond, 200 * time.Millisecond}
	for n, d := range want {
		if backoff(n) != d {
			t.Errorf("after %d deaths: %v", n, backoff(n))
		}
	}
	if backoff(1000) != 30*time.Second {
		t.Errorf("without end: %v", backoff(1000))
	}
}

func TestLevels(t *testing.T) {
	for python, want := range map[int64]slog.Level{10: slog.LevelDebug, 20: slog.LevelInfo, 30: slog.LevelWarn, 40: slog.LevelError} {
		if got := slogLevel(python); got != want || pythonLevel(got) != python {
			t.Errorf("%d: %v and back %d", python, got, pythonLevel(got))
		}
	}
}
