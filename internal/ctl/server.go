package ctl

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop/internal/system/descriptors"
	"github.com/asteri/asteri-loop/internal/system/socketfile"
	"github.com/asteri/asteri-loop/status"
)

// Options say what a Server is there for.
type Options struct {
	// Control does what is asked for.
	Control status.Control
	// Document and Stack are those of a status.Monitor.
	Document func() *status.Report
	Stack    func(ctx context.Context, pid int) (string, error)
	// Logger is told of what was asked for, and by whom.
	Logger *slog.Logger
	// Inherited, if not 0, is a descriptor that listens at the path already, since the
	// process before this one has bound it. It is the server's from now on, also after an
	// error; nobody is served until Resume.
	Inherited int
	// RequestTimeout is how long a client may take for its request. Default 5 s.
	RequestTimeout time.Duration
}

// Server takes orders until it is closed.
type Server struct {
	opts   Options
	ln     *net.UnixListener
	file   *socketfile.File
	ctx    context.Context
	cancel context.CancelFunc
	all    sync.WaitGroup // the goroutine that accepts, and one for each client

	waiting chan struct{} // one in it for each client that waits for a reload

	mu      sync.Mutex
	clients map[*net.UnixConn]bool
	closed  bool
	path    string // of an inherited socket whose file is the other process's yet
}

// backlog is how many clients the system keeps until they are accepted.
const backlog = 64

// Listen takes orders at path from the process's own user and root. The error is
// unix.EADDRINUSE, wrapped, if another server listens there.
func Listen(path string, o Options) (*Server, error) {
	o.RequestTimeout = cmp.Or(o.RequestTimeout, requestTimeout)
	fd, file, err := o.Inherited, (*socketfile.File)(nil), error(nil)
	if fd == 0 {
		fd, file, err = socketfile.Listen(path, backlog, 0o600)
	}
	if err != nil {
		return nil, &net.OpError{Op: "listen", Net: "unix", Addr: &net.UnixAddr{Name: path, Net: "unix"}, Err: err}
	}
	f := os.NewFile(uintptr(fd), path)
	ln, err := net.FileListener(f) // which has a descriptor of its own
	_ = f.Close()
	if err != nil {
		file.Remove()
		return nil, err
	}
	s := &Server{opts: o, ln: ln.(*net.UnixListener), file: file, clients: make(map[*net.UnixConn]bool), waiting: make(chan struct{}, MaxClients/2)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	if o.Inherited != 0 {
		s.path = path
		s.Pause()
	}
	s.all.Go(s.accept)
	return s, nil
}

// Pause has nobody accepted any more until Resume: clients wait in the system, for another
// process. Those that are there are served.
func (s *Server) Pause() { _ = s.ln.SetDeadline(time.Unix(1, 0)) } // fails if it is closed

// Resume undoes Pause. The file of an inherited socket is now the server's to remove.
func (s *Server) Resume() {
	s.mu.Lock()
	if s.path != "" {
		s.file, s.path = socketfile.Adopt(s.path), ""
	}
	s.mu.Unlock()
	_ = s.ln.SetDeadline(time.Time{}) // fails if it is closed
}

// Bequeath leaves the socket, and its file, to another process for good.
func (s *Server) Bequeath() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.file = nil
}

// Descriptor returns a duplicate of that which listens, for another process.
func (s *Server) Descriptor() (int, error) { return descriptors.DuplicateFD(s.ln) }

// Close ends the server. Clients whose request is done with get their answer, others hear
// that the server ends. A nil Server is closed.
func (s *Server) Close() {
	if s == nil {
		return
	}
	s.cancel()
	s.mu.Lock()
	s.closed = true
	for c := range s.clients {
		_ = c.SetReadDeadline(time.Now()) // it has said what it had to say
	}
	file := s.file
	s.mu.Unlock()
	file.Remove()
	_ = s.ln.Close()
	s.all.Wait()
}

// acceptPause is how long a system that has run out of something is left alone.
const acceptPause = 100 * time.Millisecond

func (s *Server) accept() {
	for {
		c, err := s.ln.AcceptUnix()
		switch {
		case s.ctx.Err() != nil:
			if err == nil {
				_ = c.Close()
			}
			return
		case err != nil:
			select {
			case <-time.After(acceptPause):
			case <-s.ctx.Done():
			}
		case !s.enter(c):
			// A response fits into the buffer of a new socket.
			s.write(c, &Response{Error: &Error{Busy, "the server has too many clients at its control socket: try again"}})
			_ = c.Close()
		default:
			s.all.Go(func() {
				defer s.leave(c)
				s.serve(c)
			})
		}
	}
}

func (s *Server) enter(c *net.UnixConn) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed || len(s.clients) >= MaxClients {
		return false
	}
	s.clients[c] = true
	return true
}

func (s *Server) leave(c *net.UnixConn) {
	_ = c.Close()
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.clients, c)
}

// serve answers one client.
func (s *Server) serve(c *net.UnixConn) {
	who, err := peerOf(c)
	if err != nil || !who.allowed() {
		s.opts.Logger.Warn("Refused at the control socket", "uid", who.uid, "client", who.pid)
		s.write(c, &Response{Error: &Error{Forbidden, "the control socket is for the server's own user and root"}})
		return
	}
	r, err := s.read(c)
	if err == nil {
		var result any
		if result, err = s.do(r, who); err == nil {
			s.write(c, answer(result))
			return
		}
	}
	s.write(c, refusal(err))
	s.linger(c)
}

// read reads a request, all of it within its time.
func (s *Server) read(c *net.UnixConn) (*Request, error) {
	if !s.awaits(c, s.opts.RequestTimeout) {
		return nil, errEnding
	}
	line, err := bufio.NewReaderSize(c, MaxRequest).ReadSlice('\n')
	switch {
	case errors.Is(err, bufio.ErrBufferFull):
		return nil, wrong("the request is longer than %d bytes", MaxRequest)
	case s.ctx.Err() != nil:
		return nil, errEnding
	case errors.Is(err, os.ErrDeadlineExceeded):
		return nil, wrong("no complete line within %v", s.opts.RequestTimeout)
	case errors.Is(err, io.EOF) && len(line) > 0: // who ends the stream has said all
	case err != nil:
		return nil, wrong("the request has no end: %v", err)
	}
	return parse(line)
}

// awaits gives a client time for what it says, unless the server ends.
func (s *Server) awaits(c *net.UnixConn, d time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return !s.closed && c.SetReadDeadline(time.Now().Add(d)) == nil
}

func parse(line []byte) (*Request, error) {
	r := new(Request)
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(r); err != nil {
		return nil, wrong("not a request in JSON: %v", err)
	}
	if d.More() {
		return nil, wrong("more than one request in a line")
	}
	if err := r.Check(); err != nil {
		return nil, err
	}
	return r, nil
}

func answer(result any) *Response {
	text, err := json.Marshal(result)
	if err != nil { // a value that JSON has no word for: none of ours
		return refusal(err)
	}
	return &Response{OK: true, Result: text}
}

func refusal(err error) *Response {
	var e *Error
	if !errors.As(err, &e) {
		e = &Error{Failed, oneLine(err)}
	}
	return &Response{Error: e}
}

// write sends a response. A client that has left, or does not read, gets none.
func (s *Server) write(c *net.UnixConn, r *Response) {
	r.Version = Version
	text, err := json.Marshal(r)
	if err != nil {
		return // all that is in it was marshalled before
	}
	_ = c.SetWriteDeadline(time.Now().Add(writeTimeout))
	_, _ = c.Write(append(text, '\n'))
}

// linger takes what a client is still sending, for a moment: it would not read why it was
// refused while it cannot write.
func (s *Server) linger(c *net.UnixConn) {
	if c.CloseWrite() == nil && s.awaits(c, lingerTimeout) {
		_, _ = io.Copy(io.Discard, c)
	}
}
