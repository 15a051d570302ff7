//go:build linux

package suite

import (
	"crypto/tls"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// TestTokenInNoLog: however a request ends that has the status token in its query, the
// log does not have it.
func TestTokenInNoLog(t *testing.T) {
	t.Parallel()
	const token = "0123456789abcdefghij"
	for _, protocols := range []string{"https", "http,https"} {
		for _, format := range []string{"json", `%(r)s %(U)s %(q)s %(f)s %({RAW_URI}e)s %({location}o)s`} {
			s := launchServer(t, launch{
				args: append([]string{"-l", "127.0.0.1:0", "--protocols", protocols, "--access-logfile", "-", "--access-logformat", format, "--log-level", "debug"}, app("wsgi_probe:app", "sync")...),
				env:  []string{"ASTERI_STATUS_TOKEN=" + token},
			})
			s.awaitReady()
			asked := 0
			for _, secure := range []bool{false, true} {
				for _, target := range []string{"/asteri-status?token=" + token, "/?tok%65n=%30" + token[1:], "/livez?token=" + token, "http://x/?token=" + token} {
					for _, rest := range []string{
						"Host: x\r\n", "Host: x\r\nHost: y\r\n", "Host: x\r\nExpect: nonsense\r\n", "Host: x\r\nTransfer-Encoding: nonsense\r\n",
						"Host: x\r\nReferer: http://x/?token=" + token + "\r\n", "Host: x\r\nUpgrade: websocket\r\nConnection: upgrade\r\n",
					} {
						c := s.dial()
						if secure {
							c = tls.Client(c, &tls.Config{InsecureSkipVerify: true})
						}
						_, _ = io.WriteString(c, "GET "+target+" HTTP/1.1\r\n"+rest+"Connection: close\r\n\r\n")
						_, _ = io.ReadAll(c)
						asked++
					}
				}
			}
			for _, version := range []string{"h2", "h2c"} {
				if version == "h2c" && protocols == "https" {
					continue
				}
				s.over(t, version).get("/asteri-status?token=" + token)
				s.over(t, version).get("/nothing?token="+token, "Expect: nonsense")
			}
			s.over(t, "https").get("/pid").want(t, 200)
			s.awaitLog(`/pid`)
			if text := s.log.text(); strings.Contains(text, token[1:]) {
				at := strings.Index(text, token[1:])
				t.Errorf("%s, %s: the log has %q", protocols, format, text[max(0, at-200):at+len(token)])
			} else if strings.Count(text, "redacted") < asked/2 {
				t.Errorf("%s, %s: %d requests, and the log shows few of them\n%s", protocols, format, asked, text)
			}
		}
	}
}

// TestWorkersHaveWhatIsTheirs: nothing of the front's descriptors, and none of what a
// service manager or the operator has told it alone.
func TestWorkersHaveWhatIsTheirs(t *testing.T) {
	t.Parallel()
	var files []*os.File
	var sockets []string
	for range 4 {
		_, file, socket := inheritable(t)
		files, sockets = append(files, file), append(sockets, socket)
	}
	// Of the four only the third is listened on.
	hidden := []string{
		"LISTEN_FDS=4", "LISTEN_PID=1", "LISTEN_FDNAMES=a:b:c:d", "NOTIFY_SOCKET=/nowhere", "WATCHDOG_USEC=1", "WATCHDOG_PID=1",
		"ASTERI_STATUS_TOKEN=0123456789abcdefghij",
	}
	s := launchServer(t, launch{
		args: append([]string{"-l", "fd://5"}, app("wsgi_probe:app", "sync", "-w", "2", "-e", "OWN=1")...), files: files, env: hidden,
	})
	s.awaitReady()
	for _, pid := range s.workers() {
		for _, socket := range sockets {
			if holds(t, pid, socket) {
				t.Errorf("worker %d holds a listening socket", pid)
			}
		}
		// What the front has open, a worker does not.
		theirs := targets(t, pid)
		for _, target := range targets(t, s.pid) {
			if strings.HasPrefix(target, "socket:") && slices.Contains(theirs, target) {
				t.Errorf("worker %d holds %s of the front", pid, target)
			}
		}
		text, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/environ")
		if err != nil {
			t.Fatal(err)
		}
		environ := strings.Split(string(text), "\x00")
		for _, kv := range hidden {
			name, _, _ := strings.Cut(kv, "=")
			if slices.ContainsFunc(environ, func(have string) bool { return strings.HasPrefix(have, name+"=") }) {
				t.Errorf("worker %d has %s", pid, name)
			}
		}
		if !slices.Contains(environ, "OWN=1") {
			t.Errorf("worker %d lacks what is its own", pid)
		}
	}
}

// targets returns what the descriptors of a process are, in their order.
func targets(t testing.TB, pid int) (all []string) {
	t.Helper()
	dir := "/proc/" + strconv.Itoa(pid) + "/fd/"
	for fd := range 100 {
		if target, err := os.Readlink(filepath.Join(dir, strconv.Itoa(fd))); err == nil {
			all = append(all, target)
		}
	}
	return all
}
