package loop

import (
	"io"
	"os"

	"golang.org/x/sys/unix"
)

// Files are sent without ever making a loop wait for a disk. What the page cache
// holds the loop sends itself: a small piece, or under TLS any, is copied into the
// queue, where it goes together with what is around it, and a larger one goes from
// the cache to the socket. For the rest the file pool, a bounded number of
// goroutines, sends to the socket (or, under TLS, reads into memory) while the loop
// leaves the connection's output alone.
const (
	fileWorkers = 8
	warmPiece   = 32 << 10  // read at once if it needs no disk
	sendPiece   = 512 << 10 // sent by one job of the pool
	readPiece   = 128 << 10 // read by one job of the pool
)

// writeWarm queues n bytes of f, at most warmPiece, as bytes, and closes f, if they
// can be had at once.
func (q *sendQueue) writeWarm(pool *chunks, f File, off int64, n int) bool {
	fd := int(f.Fd())
	t := q.tail
	fresh := t == nil || t.file != nil || cap(t.data)-len(t.data) < n
	if fresh {
		t = pool.get(n)
	}
	have := len(t.data)
	if readWarm(fd, t.data[have:have+n], off) < n {
		if fresh {
			pool.put(t)
		}
		return false
	}
	f.Close()
	t.data = t.data[:have+n]
	q.size += n
	if fresh {
		q.push(t)
	}
	return true
}

// sendFileHead sends from the file at the head of the queue to a plain socket, and
// returns how many bytes the peer took at once.
func (c *conn) sendFileHead() int {
	k := c.out.head
	if k.left <= warmPiece && c.warmHead(&c.out) {
		return 0
	}
	if !canSendFile {
		c.readFileHead(&c.out)
		return 0
	}
	sock, file, off, n := c.fd, int(k.file.Fd()), k.off, int(min(k.left, sendPiece))
	if isWarm(file, off, n) {
		sent, err := sendFile(sock, file, off, n)
		c.fileSent(sent, sent < n, err)
		return sent
	}
	c.startJob(func() func() {
		sent, err := sendFile(sock, file, off, n)
		return func() { c.fileSent(sent, sent < n, err) }
	})
	return 0
}

// warmHead turns the file at the head of q, or its next piece, into bytes if the
// page cache holds them.
func (c *conn) warmHead(q *sendQueue) bool {
	k := q.head
	n, fd := int(min(k.left, warmPiece)), int(k.file.Fd())
	data := c.loop.chunks.get(n)
	room := data.data[:n]
	if readWarm(fd, room, k.off) < n {
		c.loop.chunks.put(data)
		return false
	}
	data.data = room
	q.headRead(&c.loop.chunks, data)
	return true
}

// fileSent takes the outcome of a job that sent n bytes from a file; short says that
// they are fewer than it wanted to.
func (c *conn) fileSent(n int, short bool, err error) {
	k := c.out.head
	switch {
	case n > 0:
		k.off += int64(n)
		k.left -= int64(n)
		c.out.size -= n
		c.out.inFiles -= n
		c.progress(n)
		if k.left == 0 {
			c.out.pop(&c.loop.chunks)
		}
		if short { // most likely the socket is full: the poller knows, another job costs more
			c.setBlocked()
		}
	case err == unix.EAGAIN:
		c.setBlocked()
	case err == nil: // the file has become shorter than was announced
		c.fileFails(io.ErrUnexpectedEOF)
	case err == unix.EPIPE || err == unix.ECONNRESET || err == unix.ENOTCONN:
		c.close(PeerClosed)
	case err == unix.EINVAL || err == unix.ENOSYS: // not a file that sendfile takes
		c.readFileHead(&c.out)
	default:
		c.fileFails(os.NewSyscallError("sendfile", err))
	}
}

// fileFails ends a connection on which more of a file was announced than can be read. Its
// session has perhaps nothing to do with it any more, so that it is said here.
func (c *conn) fileFails(err error) {
	c.loop.log.Error("cannot read a file that is being sent", "remote", c.info.Remote, "error", err)
	c.Abort(err)
}

// readFileHead has the next piece of the file at the head of q read into memory.
func (c *conn) readFileHead(q *sendQueue) {
	k := q.head
	file, off, n := k.file, k.off, min(k.left, readPiece)
	c.startJob(func() func() {
		piece := make([]byte, n)
		read, err := file.ReadAt(piece, off)
		if read < 0 || read > len(piece) {
			misusedBy(file, "ReadAt", "returns how many bytes it has read, 0 to %d, and not %d", len(piece), read)
		}
		return func() { c.fileRead(q, piece[:read], err) }
	})
}

// fileRead puts bytes that a job read in front of the rest of their file.
func (c *conn) fileRead(q *sendQueue, piece []byte, err error) {
	if len(piece) == 0 {
		if err == nil || err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		c.fileFails(err)
		return
	}
	c.loop.chunks.reserved += int64(cap(piece))
	q.headRead(&c.loop.chunks, &chunk{data: piece})
}

// startJob runs work in the file pool and what it returns on the loop. Until then
// nothing else sends on the connection, and its descriptors stay open. Each connection
// has at most one job, which bounds those that wait.
func (c *conn) startJob(work func() (done func())) {
	c.fileJob = true
	l := c.loop
	l.fileJobs++
	l.engine.files.Go(func() {
		failure := &PanicError{}
		done := func() { c.Abort(failure) }
		defer func() { // reading may panic, or end the goroutine
			if failure.Value = recover(); failure.Value != nil {
				logPanic(l.log, "a file panicked as it was read", failure.Value, "loop", l.id)
			}
			l.Post(func() { c.endJob(done) })
		}()
		done = work()
	})
}

func (c *conn) endJob(done func()) {
	c.loop.current = c
	c.fileJob = false
	c.loop.fileJobs--
	if c.state == stateClosed {
		c.finishClose()
		return
	}
	if c.layer != nil && c.layer.broken {
		c.layer.dropPlain(c)
	} else {
		done()
	}
	if c.state != stateClosed {
		c.afterFlush()
		c.markDirty()
	}
}

// headRead puts data, the next bytes of the file at the head, in front of its rest.
func (q *sendQueue) headRead(pool *chunks, data *chunk) {
	k := q.head
	n := int64(len(data.data))
	k.off += n
	k.left -= n
	q.inFiles -= int(n)
	q.head, data.next = data, k
	if k.left == 0 {
		data.next, k.next = k.next, nil
		if q.tail == k {
			q.tail = data
		}
		pool.put(k) // which may fail
	}
}
