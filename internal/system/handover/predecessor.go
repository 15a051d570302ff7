package handover

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strconv"
	"sync"
	"time"

	"golang.org/x/sys/unix"
)

// Variable is the environment variable by which a successor knows that it is one: the
// number of the descriptor to talk by, and of that of its standard error.
const Variable = "ASTERI_PREDECESSOR"

// The successor's first descriptors beside the standard ones.
const (
	socketFD = 3
	stderrFD = 4
)

// Socket is a socket that is handed over, by who it is for and the address by which the
// settings call it. It may be more than one descriptor.
type Socket struct {
	Use  string `json:"use"`
	Addr string `json:"addr"`
	// Count is how many of the descriptors are its own.
	Count int   `json:"count"`
	FDs   []int `json:"-"`
}

// Offer is what a predecessor has.
type Offer struct {
	Sockets []Socket `json:"sockets"`
	// State is what else is told.
	State json.RawMessage `json:"state"`
}

// Predecessor is the process in whose place this one is to come.
type Predecessor struct {
	conn  talk
	pid   int
	write sync.Mutex // held while something is sent
	ended chan struct{}
	end   func() // closes it
}

// Find returns the predecessor of this process, nil if it has none, and says hello. It
// takes Variable out of the environment: what this process starts is no successor.
func Find() (*Predecessor, error) {
	value, ok := os.LookupEnv(Variable)
	if !ok {
		return nil, nil
	}
	if err := os.Unsetenv(Variable); err != nil {
		return nil, err
	}
	if value != strconv.Itoa(socketFD) {
		return nil, errProtocol
	}
	// Standard error has been a pipe, so that the predecessor hears from a program that
	// cannot talk: from now on it is what the predecessor's is.
	if err := unix.Dup2(stderrFD, 2); err != nil {
		return nil, os.NewSyscallError("dup2", err)
	}
	_ = unix.Close(stderrFD)
	c, err := newTalk(os.NewFile(socketFD, "predecessor"))
	if err != nil {
		return nil, err
	}
	ended := make(chan struct{})
	p := &Predecessor{conn: c, pid: os.Getppid(), ended: ended, end: sync.OnceFunc(func() { close(ended) })}
	return p, p.send(message{kind: hello})
}

func (p *Predecessor) send(m message) error {
	p.write.Lock()
	defer p.write.Unlock()
	return p.conn.send(m)
}

// Offer receives what the predecessor has. The descriptors are the caller's.
func (p *Predecessor) Offer() (*Offer, error) {
	m, err := p.conn.expect(offer, patience)
	if err != nil {
		return nil, err
	}
	o := new(Offer)
	if err := json.Unmarshal(m.data, o); err != nil {
		return nil, err
	}
	wanted := 0
	for _, s := range o.Sockets {
		if wanted += s.Count; s.Count < 0 || wanted > maxDescriptors {
			return nil, errProtocol
		}
	}
	var fds []int
	for len(fds) < wanted {
		m, err := p.conn.expect(descriptors, patience)
		if err == nil && len(m.fds) == 0 {
			err = errProtocol
		}
		if err != nil {
			return nil, errors.Join(err, closeAll(fds))
		}
		fds = append(fds, m.fds...)
	}
	for i := range o.Sockets {
		s := &o.Sockets[i]
		s.FDs, fds = fds[:s.Count:s.Count], fds[s.Count:]
	}
	return o, closeAll(fds)
}

// Ready says that this process could serve, and which sockets it has use for.
func (p *Predecessor) Ready(used []Socket) error {
	text, err := json.Marshal(used)
	if err != nil {
		return err
	}
	return p.send(message{kind: ready, data: text})
}

// Failed says in a line why this process will never be ready. A nil Predecessor hears
// nothing.
func (p *Predecessor) Failed(why string) {
	if p != nil {
		_ = p.send(message{kind: failed, data: []byte(why)}) // which it may not hear: it sees the end
	}
}

// AwaitTurn waits until it is this process's turn to serve, and returns the predecessor's
// totals: none with an error, after which it is on its own. Taken is to follow.
func (p *Predecessor) AwaitTurn(ctx context.Context) ([]byte, error) {
	stop := context.AfterFunc(ctx, func() { _ = p.conn.Close() })
	defer stop()
	m, err := p.conn.expect(take, time.Hour) // it is told, or sees the end, long before
	if err != nil {
		p.end()
	}
	return m.data, err
}

// Taken says that this process serves. Until the end of the predecessor, heard is called
// with its totals, and is to return those of both, for who asks the predecessor.
func (p *Predecessor) Taken(heard func(totals []byte) []byte) error {
	err := p.send(message{kind: taken})
	if err == nil {
		err = p.conn.SetReadDeadline(time.Time{})
	}
	if err != nil {
		p.end()
		return err
	}
	go func() {
		defer p.end()
		for {
			m, err := p.conn.receive()
			if err != nil {
				return
			}
			switch m.kind {
			case totals:
				heard(m.data)
			case ask:
				if p.send(message{kind: answer, data: heard(m.data)}) != nil {
					return
				}
			}
			_ = closeAll(m.fds) // there are none
		}
	}()
	return nil
}

// PID is the predecessor's process id.
func (p *Predecessor) PID() int { return p.pid }

// Draining tells whether there is a predecessor that has not ended yet.
func (p *Predecessor) Draining() bool {
	if p == nil {
		return false
	}
	select {
	case <-p.ended:
		return false
	default:
		return true
	}
}

// Close ends the talk.
func (p *Predecessor) Close() {
	if p != nil {
		_ = p.conn.Close() // nobody minds
	}
}
