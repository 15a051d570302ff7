package main

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// syslogDaemon gets the messages that the server sends.
type syslogDaemon struct {
	t *testing.T
	net.PacketConn
}

func listenSyslog(t *testing.T) syslogDaemon {
	t.Helper()
	conn, err := net.ListenPacket("udp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return syslogDaemon{t, conn}
}

// messages returns what has come so far, a line each: what is before a last message of
// the test's own.
func (d syslogDaemon) messages() string {
	d.t.Helper()
	const last = "no more"
	if _, err := d.WriteTo([]byte(last), d.LocalAddr()); err != nil {
		d.t.Fatal(err)
	}
	_ = d.SetReadDeadline(time.Now().Add(patience)) // the read tells
	var all strings.Builder
	for buf := make([]byte, 16<<10); ; {
		n, _, err := d.ReadFrom(buf)
		if err != nil {
			d.t.Fatal(err)
		}
		if string(buf[:n]) == last {
			return all.String()
		}
		all.Write(append(buf[:n], '\n'))
	}
}

func TestSyslog(t *testing.T) {
	daemon := listenSyslog(t)
	to := []string{"--log-syslog", "--log-syslog-to", "udp://" + daemon.LocalAddr().String(), "--log-syslog-prefix", "shop", "--log-syslog-facility", "local3"}
	run := func(args ...string) string {
		p := start(t, t.TempDir(), append(to, args...)...)
		fetch(t, p.url("http")+"/plaintext")
		p.signal(syscall.SIGTERM)
		if s := p.exit(); s != exitOK {
			t.Errorf("status %d", s)
		}
		return daemon.messages()
	}
	const access = `(?m)^<158>1 \S+ \S+ asteri-loop\.shop\.access \d+ - - 127\.0\.0\.1 - - \[.*\] "GET /plaintext HTTP/1\.1" 200 `
	got := run("--access-logfile", "none")
	for _, form := range []string{access, `(?m)^<158>1 \S+ \S+ asteri-loop\.shop\.error (\d+) - - \[\d+\] \[INFO\] Stopped$`, `(?m)^<156>1 .* \[WARNING\] `} {
		if !regexp.MustCompile(form).MatchString(got) {
			t.Errorf("no message like %s in\n%s", form, got)
		}
	}
	if got := run("--disable-redirect-access-to-syslog"); strings.Contains(got, "shop.access") || !strings.Contains(got, "shop.error") {
		t.Errorf("without the access log:\n%s", got)
	}
}

// A reload changes the format, and nothing of where syslog messages go: that needs a
// restart, for both logs.
func TestReloadKeepsSyslog(t *testing.T) {
	for _, change := range []string{
		"log_syslog = false", "log_syslog = true\ndisable_redirect_access_to_syslog = true",
		"log_syslog = true\nlog_syslog_prefix = 'new'\nlog_syslog_facility = 'local7'", "",
	} {
		daemon, other := listenSyslog(t), listenSyslog(t)
		to := func(d syslogDaemon) string { return fmt.Sprintf("\nlog_syslog_to = 'udp://%s'\n", d.LocalAddr()) }
		if change == "" {
			change = "log_syslog = true" + to(other)
		} else {
			change += to(daemon)
		}
		dir := t.TempDir()
		file := filepath.Join(dir, "asteri.toml")
		writeFile(t, file, "access_logformat = 'first %(U)s'\nlog_syslog = true"+to(daemon))
		p := start(t, dir)
		conn := openTunnel(t, p)
		writeFile(t, file, "access_logformat = 'second %(U)s'\n"+change)
		p.signal(syscall.SIGHUP)
		p.await("[INFO] Reloaded")
		if !regexp.MustCompile(`need a restart: \w*syslog`).MatchString(p.log.String()) {
			t.Errorf("%s: the log does not say that it needs a restart", change)
		}
		fetch(t, p.url("http")+"/plaintext")
		conn.Close()
		p.signal(syscall.SIGTERM)
		if s := p.exit(); s != exitOK {
			t.Errorf("%s: status %d", change, s)
		}
		got := daemon.messages()
		for _, form := range []string{`(?m)^<14>1 .* asteri-loop\.access .* second /plaintext$`, `(?m)^<14>1 .* asteri-loop\.access .* second /ws$`, `(?m)^<14>1 .* asteri-loop\.error .* Stopped$`} {
			if !regexp.MustCompile(form).MatchString(got) {
				t.Errorf("%s: no message like %s in\n%s", change, form, got)
			}
		}
		if got := other.messages(); got != "" {
			t.Errorf("%s: at the other daemon:\n%s", change, got)
		}
	}
}

// openTunnel opens a WebSocket.
func openTunnel(t *testing.T, p *process) net.Conn {
	t.Helper()
	conn := dial(t, p)
	if _, err := io.WriteString(conn, "GET /ws HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(bufio.NewReader(conn), nil); err != nil || resp.StatusCode != http.StatusSwitchingProtocols || len(resp.Header.Get("X-Request-ID")) != 32 {
		t.Fatalf("%v, %v", resp, err)
	}
	return conn
}
