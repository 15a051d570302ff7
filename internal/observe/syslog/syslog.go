// Package syslog sends lines to a syslog daemon.
//
// Over UDP and TCP messages are those of RFC 5424, over TCP each ended by a line
// feed (RFC 6587 section 3.4.2). On a Unix socket they are in the older form without
// a host, which is the one that daemons expect there.
package syslog

import (
	"bytes"
	"errors"
	"net"
	"os"
	"strconv"
	"sync"
	"time"
)

// Severities of RFC 5424 section 6.2.1.
const (
	Critical = 2
	Error    = 3
	Warning  = 4
	Info     = 6
	Debug    = 7
)

const (
	// ioTimeout bounds a connection's making, and a write.
	ioTimeout = time.Second
	// retryAfter is how long a daemon that cannot be reached is left alone.
	retryAfter = time.Second
	// maxMessage bounds a message in bytes; daemons cut longer ones.
	maxMessage = 8 << 10
)

// Options say what messages are about.
type Options struct {
	Address  Address
	Facility int
	// Tag names the program, in the form that its daemon filters by.
	Tag string
	PID int
	// Severity is that of all lines; -1 says that each line begins with its own,
	// as "<3>".
	Severity int
}

// Writer sends each line that is written to it as a message. It connects when there
// is something to send, and again when that has failed. It may wait for a second:
// give it to a logwriter.
type Writer struct {
	opts Options
	host string

	mu        sync.Mutex
	conn      net.Conn
	local     bool // conn is a Unix socket
	delimited bool // messages on conn are to be ended
	failed    time.Time
	packet    []byte
}

// New returns a writer. It does not connect yet.
func New(o Options) *Writer {
	host, err := os.Hostname()
	if err != nil || host == "" {
		host = "-"
	}
	return &Writer{opts: o, host: printable(host)}
}

// errResting is the outcome of lines for a daemon that could not be reached of late.
var errResting = errors.New("syslog: the daemon cannot be reached")

// Write sends lines, which are whole. n counts the bytes of those that were sent.
func (w *Writer) Write(lines []byte) (n int, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for len(lines) > n {
		end := bytes.IndexByte(lines[n:], '\n')
		if end < 0 {
			end = len(lines) - n - 1
		}
		if err := w.send(bytes.TrimSuffix(lines[n:n+end+1], []byte("\n"))); err != nil {
			return n, err
		}
		n += end + 1
	}
	return n, nil
}

// send sends one line, by a new connection if the present one does not take it: a
// daemon that was restarted has left it.
func (w *Writer) send(line []byte) error {
	again := w.conn != nil
	err := w.try(line)
	if err != nil && again {
		err = w.try(line)
	}
	return err
}

func (w *Writer) try(line []byte) error {
	if err := w.connect(); err != nil {
		return err
	}
	w.packet = w.message(w.packet[:0], line, time.Now())
	err := w.conn.SetWriteDeadline(time.Now().Add(ioTimeout))
	if err == nil {
		_, err = w.conn.Write(w.packet)
	}
	if err != nil {
		w.disconnect()
	}
	return err
}

func (w *Writer) disconnect() {
	_ = w.conn.Close() // there is nothing more to lose
	w.conn = nil
}

func (w *Writer) connect() (err error) {
	if w.conn != nil {
		return nil
	}
	if !w.failed.IsZero() && time.Since(w.failed) < retryAfter {
		return errResting
	}
	to := w.opts.Address
	networks := []string{to.Network}
	if to.Network == either {
		networks = []string{"unixgram", "unix"}
	}
	for _, network := range networks {
		if w.conn, err = net.DialTimeout(network, to.Address, ioTimeout); err == nil {
			w.local, w.delimited = network[0] == 'u' && network != "udp", network == "tcp" || network == "unix"
			w.failed = time.Time{}
			return nil
		}
	}
	w.failed = time.Now()
	return err
}

// message puts a message together.
func (w *Writer) message(b, line []byte, now time.Time) []byte {
	severity := w.opts.Severity
	if severity < 0 {
		severity, line = cutSeverity(line)
	}
	b = append(b, '<')
	b = strconv.AppendInt(b, int64(w.opts.Facility*8+severity), 10)
	b = append(b, '>')
	if w.local {
		b = now.AppendFormat(b, "Jan _2 15:04:05 ")
		b = append(append(b, w.opts.Tag...), '[')
		b = append(strconv.AppendInt(b, int64(w.opts.PID), 10), "]: "...)
	} else {
		b = now.AppendFormat(append(b, "1 "...), "2006-01-02T15:04:05.000Z07:00 ")
		b = append(append(b, w.host...), ' ')
		b = append(append(b, w.opts.Tag...), ' ')
		b = append(strconv.AppendInt(b, int64(w.opts.PID), 10), " - - "...)
	}
	b = append(b, line...)
	if len(b) > maxMessage {
		b = append(b[:maxMessage-3], "..."...)
	}
	if w.delimited {
		b = append(b, '\n')
	}
	return b
}

// cutSeverity takes "<N>" off the front of line.
func cutSeverity(line []byte) (severity int, rest []byte) {
	if len(line) > 2 && line[0] == '<' && '0' <= line[1] && line[1] <= '7' && line[2] == '>' {
		return int(line[1] - '0'), line[3:]
	}
	return Info, line
}

// Close ends the connection.
func (w *Writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.conn != nil {
		w.disconnect()
	}
	return nil
}

// Tag joins parts to a name of a program, of at most 48 printable characters (RFC
// 5424 section 6.2.5) without those that end one in the older form.
func Tag(parts ...string) string {
	var tag []byte
	for _, p := range parts {
		if p != "" && len(tag) > 0 {
			tag = append(tag, '.')
		}
		tag = append(tag, printable(p)...)
	}
	return string(tag[:min(len(tag), 48)])
}

// printable replaces what may not stand in a header of RFC 5424, or would end a tag.
func printable(s string) string {
	b := []byte(s)
	for i, c := range b {
		if c <= ' ' || c > '~' || c == ':' || c == '[' || c == ']' {
			b[i] = '.'
		}
	}
	return string(b)
}
