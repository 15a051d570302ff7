package loop_test

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/tests/leakcheck"
	"github.com/asteri/asteri-loop/loop"
)

// childVariable makes the test program a server instead; its value is the limit
// of descriptors.
const childVariable = "ASTERI_LOOP_TEST_DESCRIPTORS"

func TestMain(m *testing.M) {
	if limit := os.Getenv(childVariable); limit != "" {
		if err := serveWithFewDescriptors(limit); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// serveWithFewDescriptors tells its address on standard output and serves until
// standard input ends. Each line there is answered with how often the loops have
// turned.
func serveWithFewDescriptors(limit string) error {
	var max uint32
	if _, err := fmt.Sscan(limit, &max); err != nil {
		return err
	}
	if err := unix.Setrlimit(unix.RLIMIT_NOFILE, rlimit(max)); err != nil {
		return err
	}
	e, err := loop.New(loop.Config{Loops: 2, GracefulTimeout: time.Second})
	if err != nil {
		return err
	}
	ln, err := e.ListenWith(loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{scripted(func(*script) {})}})
	if err != nil {
		return err
	}
	fmt.Println(ln.Addr())
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		defer cancel()
		for in := bufio.NewScanner(os.Stdin); in.Scan(); {
			var turns uint64
			for _, l := range e.Stats().Loops {
				turns += l.Ticks
			}
			fmt.Println(turns)
		}
	}()
	return e.Run(ctx)
}

// More clients than descriptors: those that fit are served, the others wait, and
// get their turn when somebody leaves.
func TestFewDescriptors(t *testing.T) {
	leakcheck.Check(t)
	const limit, clients, atLeast = 40, 60, 10
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), fmt.Sprintf("%s=%d", childVariable, limit))
	child.Stderr = os.Stderr
	stdin, err := child.StdinPipe()
	must(t, err)
	stdout, err := child.StdoutPipe()
	must(t, err)
	must(t, child.Start())
	t.Cleanup(func() {
		stdin.Close()
		if err := child.Wait(); err != nil {
			t.Errorf("the server ended with %v", err)
		}
	})
	said := bufio.NewScanner(stdout)
	said.Scan()
	addr, err := net.ResolveTCPAddr("tcp", said.Text())
	must(t, err)

	answers := make(chan net.Conn, clients)
	for range clients {
		c := dial(t, addr)
		send(t, c, "ping")
		go func() {
			if n, err := io.ReadFull(c, make([]byte, 4)); err != nil {
				t.Errorf("a client got %d bytes: %v", n, err)
			}
			answers <- c
		}()
	}
	var served []net.Conn
	for len(served) < atLeast {
		served = append(served, awaited(t, answers, "answer while descriptors last"))
	}
	// Those that fit stay for a while. The listener is ready all the time, but
	// the loops must not spin: ten tries a second and their wake-ups are few.
	turns := func() (n int) {
		send(t, stdin, "\n")
		said.Scan()
		_, err := fmt.Sscan(said.Text(), &n)
		must(t, err)
		return n
	}
	before := turns()
	time.Sleep(300 * time.Millisecond)
	if n := turns() - before; n > 100 {
		t.Errorf("the loops turned %d times while nobody could be accepted", n)
	}
	for answered := len(served); answered < clients; answered++ {
		must(t, served[0].Close())
		served = append(served[1:], awaited(t, answers, "answer after others have left"))
	}
	ping(t, served[0])
}

func TestStaleSocketFileIsReplaced(t *testing.T) {
	leakcheck.Check(t)
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	must(t, err)
	dead.SetUnlinkOnClose(false)
	must(t, dead.Close())
	if _, err := os.Lstat(path); err != nil {
		t.Fatalf("no file was left: %v", err)
	}
	e := start(t, loop.Config{Loops: 1})
	a := listen(t, e, loop.ListenConfig{Addr: "unix:" + path, Mode: 0o600, Protocols: []loop.Protocol{echo()}})
	ping(t, dial(t, a))
	if st, err := os.Lstat(path); err != nil || st.Mode().Perm() != 0o600 {
		t.Errorf("socket file: %v, %v; want mode 0600", st, err)
	}
	e.Drain()
	if _, err := os.Lstat(path); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("socket file after the end: %v", err)
	}
}

func TestLiveSocketFileIsLeftAlone(t *testing.T) {
	leakcheck.Check(t)
	path := filepath.Join(t.TempDir(), "s")
	first := start(t, loop.Config{Loops: 1})
	a := listen(t, first, loop.ListenConfig{Addr: "unix:" + path, Protocols: []loop.Protocol{echo()}})
	c := dial(t, a)
	ping(t, c)

	second := start(t, loop.Config{Loops: 1})
	if err := second.Listen("unix:"+path, echo()); !errors.Is(err, unix.EADDRINUSE) {
		t.Errorf("a second server on the same path: %v", err)
	}
	must(t, second.Close())
	ping(t, c)
	ping(t, dial(t, a))
}

func TestOtherFilesAreLeftAlone(t *testing.T) {
	leakcheck.Check(t)
	path := filepath.Join(t.TempDir(), "precious")
	must(t, os.WriteFile(path, []byte("data"), 0o600))
	e := start(t, loop.Config{Loops: 1})
	if err := e.Listen("unix:"+path, echo()); err == nil {
		t.Error("a file that is no socket was taken for one")
	}
	if data, err := os.ReadFile(path); err != nil || string(data) != "data" {
		t.Errorf("the file is now %q, %v", data, err)
	}
}

// With SO_REUSEPORT a second server would silently get half of the connections.
func TestSecondServerOnAPortIsRefused(t *testing.T) {
	leakcheck.Check(t)
	for _, loops := range []int{1, 3} { // a loop alone does not use SO_REUSEPORT
		first := start(t, loop.Config{Loops: loops})
		a := listen(t, first, loop.ListenConfig{Addr: "127.0.0.1:0", Protocols: []loop.Protocol{echo()}})
		for _, others := range []int{1, 3} {
			second := start(t, loop.Config{Loops: others})
			if err := second.Listen(a.String(), echo()); !errors.Is(err, unix.EADDRINUSE) {
				t.Errorf("%d loops on a port that %d loops listen on: %v", others, loops, err)
			}
			must(t, second.Close())
		}
		for range 20 {
			ping(t, dial(t, a))
		}
	}
}

// A restart must not have to wait until the last connections have left TIME_WAIT.
func TestPortIsFreeAfterTheEnd(t *testing.T) {
	leakcheck.Check(t)
	addr := "127.0.0.1:0"
	for range 3 {
		e := start(t, loop.Config{Loops: 2})
		a := listen(t, e, loop.ListenConfig{Addr: addr, Protocols: []loop.Protocol{
			scripted(func(s *script) {
				s.onData = func(s *script, in []byte) (int, error) { // the server closes first
					s.Write(in)
					s.CloseWhenFlushed(false)
					return len(in), nil
				}
			})}})
		c := dial(t, a)
		ping(t, c)
		expectEnd(t, c)
		must(t, e.Close())
		addr = a.String()
	}
}
