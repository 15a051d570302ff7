package nethttp

import (
	"bufio"
	"bytes"
	"errors"
	"net"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/workers"
)

// maxHead bounds the response head that a hijacker writes, in bytes.
const maxHead = 64 << 10

// hijacked is a connection as its hijacker has it. What he writes begins with a
// response head, which decides what the connection becomes: after 101 a raw
// connection, after any other status the content of a response.
type hijacked struct {
	w    *response
	head []byte // what was written of the head; the writer's

	begun chan struct{} // closed when become is set
	ended chan struct{} // closed by Close
	once  sync.Once     // of Close

	mu              sync.Mutex
	become          transport
	readBy, writeBy time.Time // deadlines set before
}

// transport is what a hijacked connection becomes.
type transport interface {
	Read(p []byte) (int, error)
	Write(p []byte) (int, error)
	SetReadDeadline(t time.Time) error
	SetWriteDeadline(t time.Time) error
}

func newHijacked(w *response) *hijacked {
	return &hijacked{w: w, begun: make(chan struct{}), ended: make(chan struct{})}
}

// begin sends the head that the response holds.
func (h *hijacked) begin() error {
	var become transport = h.w.call
	if h.w.status == http.StatusSwitchingProtocols {
		conn, err := h.w.call.Upgrade(&h.w.fields)
		if err != nil {
			return err
		}
		become = conn
	} else if err := h.w.flush(nil); err != nil {
		return err
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.become = become
	close(h.begun)
	return errors.Join(become.SetReadDeadline(h.readBy), become.SetWriteDeadline(h.writeBy))
}

// settled returns when the call is not needed any more: a raw connection lives
// on without it.
func (h *hijacked) settled() {
	select {
	case <-h.ended:
		return
	case <-h.begun:
	case <-h.w.request.Context().Done():
	}
	select {
	case <-h.begun:
		if _, raw := h.become.(*workers.Conn); !raw {
			<-h.ended
		}
	default:
		h.Close() // the client has gone before the head came
	}
}

// Write takes the head, and then writes to what it has begun.
func (h *hijacked) Write(p []byte) (int, error) {
	select {
	case <-h.ended:
		return 0, net.ErrClosed
	case <-h.begun:
		return h.become.Write(p)
	default:
	}
	h.head = append(h.head, p...)
	end := bytes.Index(h.head, []byte("\r\n\r\n"))
	switch {
	case end >= 0:
	case len(h.head) > maxHead:
		return 0, &asteri.ResponseError{Reason: "head written to a hijacked connection is too long"}
	default:
		return len(p), nil
	}
	end += len("\r\n\r\n")
	if err := h.take(h.head[:end]); err != nil {
		return 0, err
	}
	if _, err := h.become.Write(h.head[end:]); err != nil {
		return 0, err
	}
	return len(p), nil
}

// take begins with a head that was written as bytes.
func (h *hijacked) take(head []byte) error {
	res, err := http.ReadResponse(bufio.NewReader(bytes.NewReader(head)), h.w.request)
	if err != nil {
		return &asteri.ResponseError{Reason: "head written to a hijacked connection: " + err.Error()}
	}
	res.Body.Close() // it is not there, but comes by Write
	if len(res.TransferEncoding) > 0 {
		return &asteri.ResponseError{Reason: "hijacked connection does not take content with", Name: "Transfer-Encoding"}
	}
	h.w.header = res.Header
	h.w.setHead(res.StatusCode)
	return h.begin()
}

// Read reads from the raw connection, or the rest of the request body. It waits
// for the head first.
func (h *hijacked) Read(p []byte) (int, error) {
	h.mu.Lock()
	by := h.readBy
	h.mu.Unlock()
	var late <-chan time.Time
	if !by.IsZero() {
		late = time.After(time.Until(by))
	}
	select {
	case <-h.begun:
		return h.become.Read(p)
	case <-late:
		return 0, os.ErrDeadlineExceeded
	case <-h.ended:
		return 0, net.ErrClosed
	}
}

// Close ends the connection, or the response, after what was written.
func (h *hijacked) Close() error {
	h.once.Do(func() {
		close(h.ended)
		select {
		case <-h.begun:
			if conn, raw := h.become.(*workers.Conn); raw {
				conn.Close()
			} else {
				_ = h.w.call.Finish(nil)
			}
		default:
			h.w.call.Abort(errNoHead)
		}
	})
	return nil
}

var errNoHead = &asteri.ResponseError{Reason: "hijacked connection closed before its response"}

// SetDeadline, like those below, is for what the connection becomes.
func (h *hijacked) SetDeadline(t time.Time) error {
	return errors.Join(h.SetReadDeadline(t), h.SetWriteDeadline(t))
}

func (h *hijacked) SetReadDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.readBy = t
	if h.become == nil {
		return nil
	}
	return h.become.SetReadDeadline(t)
}

func (h *hijacked) SetWriteDeadline(t time.Time) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.writeBy = t
	if h.become == nil {
		return nil
	}
	return h.become.SetWriteDeadline(t)
}

func (h *hijacked) LocalAddr() net.Addr  { return workers.LocalAddr(h.w.call.Request().Peer) }
func (h *hijacked) RemoteAddr() net.Addr { return workers.RemoteAddr(h.w.call.Request().Peer) }
