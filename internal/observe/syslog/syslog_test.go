package syslog

import (
	"bufio"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
	"time"
)

func TestParseAddress(t *testing.T) {
	for in, want := range map[string]Address{
		"udp://localhost:514":       {"udp", "localhost:514"},
		"udp://log.example.org":     {"udp", "log.example.org:514"},
		"tcp://[::1]:601":           {"tcp", "[::1]:601"},
		"udp://[::1]":               {"udp", "[::1]:514"},
		"unix:/dev/log":             {either, "/dev/log"},
		"unix:///dev/log":           {either, "/dev/log"},
		"unix:///run/s.sock#dgram":  {"unixgram", "/run/s.sock"},
		"unix:///run/s.sock#stream": {"unix", "/run/s.sock"},
	} {
		if got, err := ParseAddress(in); err != nil || got != want {
			t.Errorf("%s: %v, %v", in, got, err)
		}
	}
	for _, in := range []string{"", "localhost:514", "http://a", "udp://", "udp://a:b", "tcp://a:0", "tcp://a:65536", "unix:", "unix:log", "unix:/dev/log#seq"} {
		if got, err := ParseAddress(in); err == nil {
			t.Errorf("%s: %v", in, got)
		}
	}
	if _, err := ParseAddress(DefaultAddress()); err != nil {
		t.Error(err)
	}
}

func TestParseFacility(t *testing.T) {
	for in, want := range map[string]int{"user": 1, "LOG_DAEMON": 3, "local0": 16, "local7": 23, "security": 4, "authpriv": 10} {
		if got, err := ParseFacility(in); err != nil || got != want {
			t.Errorf("%s: %d, %v", in, got, err)
		}
	}
	if _, err := ParseFacility("local8"); err == nil {
		t.Error("local8")
	}
}

func TestTag(t *testing.T) {
	if got := Tag("asteri-loop", "my shop:web", "access"); got != "asteri-loop.my.shop.web.access" {
		t.Error(got)
	}
	if got := Tag("asteri-loop", "", "error"); got != "asteri-loop.error" {
		t.Error(got)
	}
	if got := Tag(strings.Repeat("x", 100)); len(got) != 48 {
		t.Error(got)
	}
}

var (
	rfc5424 = regexp.MustCompile(`^<(\d+)>1 \d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}(?:Z|[+-]\d\d:\d\d) \S+ tag 42 - - (.*)$`)
	rfc3164 = regexp.MustCompile(`^<(\d+)>[A-Z][a-z]{2} [ \d]\d \d\d:\d\d:\d\d tag\[42\]: (.*)$`)
)

func write(t *testing.T, w *Writer, lines string) {
	t.Helper()
	if n, err := w.Write([]byte(lines)); err != nil || n != len(lines) {
		t.Fatalf("%d of %d bytes, %v", n, len(lines), err)
	}
}

func expect(t *testing.T, form *regexp.Regexp, message, pri, text string) {
	t.Helper()
	if m := form.FindStringSubmatch(message); len(m) != 3 || m[1] != pri || m[2] != text {
		t.Errorf("got %q, want priority %s and %q", message, pri, text)
	}
}

func TestDatagrams(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	for network, at := range map[string]string{"udp": "127.0.0.1:0", "unixgram": socket} {
		t.Run(network, func(t *testing.T) {
			daemon, err := net.ListenPacket(network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer daemon.Close()
			form, to := rfc5424, Address{network, daemon.LocalAddr().String()}
			if network == "unixgram" {
				form, to.Network = rfc3164, either
			}
			w := New(Options{Address: to, Facility: 16, Tag: "tag", PID: 42, Severity: -1})
			defer w.Close()
			write(t, w, "<3>one\n<7>two\nthree\n<9>four\n")
			buf := make([]byte, 16<<10)
			if err := daemon.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
				t.Fatal(err)
			}
			for _, want := range [][2]string{{"131", "one"}, {"135", "two"}, {"134", "three"}, {"134", "<9>four"}} {
				n, _, err := daemon.ReadFrom(buf)
				if err != nil {
					t.Fatal(err)
				}
				expect(t, form, string(buf[:n]), want[0], want[1])
			}
			write(t, w, strings.Repeat("x", 3*maxMessage)+"\n")
			if n, _, err := daemon.ReadFrom(buf); err != nil || n != maxMessage || !strings.HasSuffix(string(buf[:n]), "x...") {
				t.Errorf("%d bytes, %v", n, err)
			}
		})
	}
}

func TestStreams(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "log")
	for network, at := range map[string]string{"tcp": "127.0.0.1:0", "unix": socket} {
		t.Run(network, func(t *testing.T) {
			daemon, err := net.Listen(network, at)
			if err != nil {
				t.Fatal(err)
			}
			defer daemon.Close()
			form, to := rfc5424, Address{network, daemon.Addr().String()}
			if network == "unix" {
				form, to.Network = rfc3164, either
			}
			w := New(Options{Address: to, Facility: 1, Tag: "tag", PID: 42, Severity: Info})
			defer w.Close()
			write(t, w, "one\n<3>two\n")
			conn := accept(t, daemon)
			in := bufio.NewScanner(conn)
			for _, want := range []string{"one", "<3>two"} {
				if !in.Scan() {
					t.Fatal(in.Err())
				}
				expect(t, form, in.Text(), "14", want)
			}
			// A daemon that was restarted gets what comes then.
			conn.Close()
			arrived := make(chan string)
			go func() {
				conn, err := daemon.Accept()
				if err != nil {
					close(arrived)
					return
				}
				defer conn.Close()
				text, _ := bufio.NewReader(conn).ReadString('\n')
				arrived <- text
			}()
			deadline := time.After(10 * time.Second)
			for {
				// The first may go to a connection of which nobody has heard yet.
				_, _ = w.Write([]byte("again\n"))
				select {
				case text := <-arrived:
					expect(t, form, strings.TrimSuffix(text, "\n"), "14", "again")
					return
				case <-deadline:
					t.Fatal("no second connection")
				case <-time.After(time.Millisecond):
				}
			}
		})
	}
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	if err := conn.SetReadDeadline(time.Now().Add(10 * time.Second)); err != nil {
		t.Fatal(err)
	}
	return conn
}

func TestNobodyThere(t *testing.T) {
	path := filepath.Join(t.TempDir(), "log")
	w := New(Options{Address: Address{either, path}, Tag: "tag", Severity: Info})
	if n, err := w.Write([]byte("one\ntwo\n")); err == nil || n != 0 {
		t.Errorf("%d, %v", n, err)
	}
	if _, err := w.Write([]byte("one\n")); err != errResting {
		t.Errorf("at once again: %v", err)
	}
	w.failed = time.Now().Add(-retryAfter)
	daemon, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	write(t, w, "three\n")
	if err := w.Close(); err != nil {
		t.Error(err)
	}
}

// The daemon of the test takes nothing: a write ends all the same.
func TestFullDaemon(t *testing.T) {
	if runtime.GOOS != "linux" {
		return // elsewhere a full datagram socket drops
	}
	path := filepath.Join(t.TempDir(), "log")
	daemon, err := net.ListenPacket("unixgram", path)
	if err != nil {
		t.Fatal(err)
	}
	defer daemon.Close()
	w := New(Options{Address: Address{either, path}, Tag: "tag", Severity: Info})
	defer w.Close()
	for range 10000 {
		if _, err = w.Write([]byte("x\n")); err != nil {
			break
		}
	}
	if !os.IsTimeout(err) {
		t.Errorf("%v", err)
	}
}
