package http3

import "sync/atomic"

// readers are the goroutines that read requests. One that is done waits for the next
// request: a new goroutine would have to grow its stack for each.
type readers struct {
	next chan *serverStream
	idle atomic.Int32
	stop chan struct{}
}

// maxIdleReaders bounds how many wait.
const maxIdleReaders = 128

func newReaders() readers {
	return readers{next: make(chan *serverStream), stop: make(chan struct{})}
}

// read has the request on st read.
func (r *readers) read(st *serverStream) {
	select {
	case r.next <- st:
	default: // nobody waits
		go r.run(st)
	}
}

func (r *readers) run(st *serverStream) {
	for st != nil {
		st.read()
		st = r.wait()
	}
}

// wait returns the next request, nil if the goroutine is not needed any more.
func (r *readers) wait() *serverStream {
	defer r.idle.Add(-1)
	if r.idle.Add(1) > maxIdleReaders {
		return nil
	}
	select {
	case st := <-r.next:
		return st
	case <-r.stop:
		return nil
	}
}

// close ends those that wait, and others when they are done.
func (r *readers) close() { close(r.stop) }
