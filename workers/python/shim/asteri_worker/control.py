"""The control socket, descriptor 4: cancel, recall, ping, stacks and descriptors, on one native thread.

The thread is started with _thread before anything can be monkey-patched, so it answers while the application blocks
the main thread or gevent's hub. It ends the process when the front has gone.
"""
import errno
import os
import socket
import struct
import sys
import traceback
from _thread import allocate_lock
from array import array
from collections import deque
from marshal import dumps, loads
from time import monotonic

from .errors import LinkClosed, traceback_of
from .link import Nowhere, after, frame
from .threads import Thread, acquire

CANCEL, RECALL, RECALLED, PING, PONG, STACK, STACKS, FD, STOP = 128, 129, 130, 131, 132, 133, 134, 135, 136
INTERRUPT = 139

_OWN = os.path.dirname(__file__) + os.sep
_HEADER = struct.Struct("<IBBHI")
_CLOEXEC = getattr(socket, "MSG_CMSG_CLOEXEC", 0)
_READ = 64 << 10
_MOST_STACKS, _STACKS, _STACK, _NAME = 500, 10**6, 32 << 10, 200  # how many are told, characters of all, of each, of its name
_FULL = (errno.EMFILE, errno.ENFILE, errno.EMSGSIZE)
_BROKEN = 70  # the status of a worker whose control thread has failed: EX_SOFTWARE
_DESCRIPTOR_WAIT = 10.0  # seconds between a request and the descriptor that it names


class Intake:
    """The requests that were read from the link and have not been started, and what fd 4 says about them.

    popleft() or remove() on `waiting` is what starts a request. It is atomic, so a recall that removes the same tuple first
    wins and one that comes later finds nothing: the hot path needs no lock. The lock orders batches with recalls.
    """

    def __init__(self):
        self.waiting = deque()
        self._lock = allocate_lock()
        self._last = 0  # the last stream id read
        self._recalled = set()  # given back before they were read
        self._dropped = set()  # cancelled before they were read
        self.leaving = set()  # half-closed before they were read; those of the latest batch included

    def add(self, batch):
        """Takes a batch of requests just read. Returns the streams that end at once because their client has left."""
        with self._lock:
            if self.leaving:
                self.leaving = {s for s in self.leaving if after(s, self._last)}
            self._last = batch[-1][0]
            if not (self._recalled or self._dropped):
                self.waiting.extend(batch)
                return ()
            # A stream ends once: one that was given back is in no other set.
            ended = [r[0] for r in batch if r[0] in self._dropped]
            self.waiting.extend(r for r in batch if r[0] not in self._dropped and r[0] not in self._recalled)
            self._dropped.difference_update(ended)
            self._recalled.difference_update([r[0] for r in batch])
            return ended

    def recall(self, streams):
        """Gives back those of streams that have not been started, each once. Being given back is an end, also for one whose
        client has left: the DONE that this would have meant does not follow."""
        with self._lock:
            return [stream for stream in streams if (self._recall_unread if after(stream, self._last) else self._remove)(stream)]

    def _recall_unread(self, stream):
        if stream in self._recalled:
            return False
        self._recalled.add(stream)
        self._dropped.discard(stream)
        self.leaving.discard(stream)
        return True

    def cancel(self, stream, hard):
        """Notes that a client left. True if its request had been read and not started, and is now dropped; None if it has
        not been read yet; False if there is nothing to drop: it was started or has ended, or its client can still read."""
        with self._lock:
            if after(stream, self._last):
                if stream not in self._recalled:  # else it has ended, before it was read
                    (self._dropped if hard else self.leaving).add(stream)
                return None
            return hard and self._remove(stream)

    def _remove(self, stream):
        for request in self.waiting.copy():  # in one step, also without the interpreter lock; list() would iterate
            if request[0] == stream:
                try:
                    self.waiting.remove(request)
                    return True
                except ValueError:  # started in between
                    return False
        return False


class Control:
    """The worker's end of descriptor 4."""

    def __init__(self, sock):
        self.sock = sock
        self._pid = os.getpid()
        self._thread = None
        self._ending = False
        self._write_lock = allocate_lock()
        self._received = deque()  # descriptors whose FD frame is still being read; None for one that was lost
        self._descriptors = {}  # stream -> descriptor that the front sent for it, or None
        self._arrived = allocate_lock()
        self._arrived.acquire()  # released when a descriptor comes
        self._guard = allocate_lock()
        # Set by the model before READY; called on this thread.
        self.intake = Intake()
        self.on_cancel = lambda stream, hard: None
        self.on_dropped = lambda stream: None  # a waiting request was dropped: its DONE is due
        self.stacks = thread_stacks
        self.on_interrupt = lambda streams, why: None  # calls are to be ended; all of them, if there are none

    def start(self):
        self._thread = Thread(self._run)

    def stop(self, patience):
        """For the end of the worker: from now on the front can only kill it."""
        self._ending = True
        try:
            self.sock.shutdown(socket.SHUT_RD)
        except OSError:
            pass  # the front has hung up
        self._thread.join(patience)

    def abandon(self):
        """In a forked child, which has neither the thread nor what the others were about to do."""
        self.sock = Nowhere()
        self._write_lock = allocate_lock()
        self.intake.waiting.clear()

    # The front's frames.

    def _run(self):
        try:
            pending = b""
            while True:
                pending = self._dispatch(pending + self._receive())
        except (LinkClosed, OSError):
            self._end(0)
        except BaseException:  # a bug here must not leave a worker that nobody can stop
            try:
                sys.excepthook(*sys.exc_info())
            finally:
                self._end(_BROKEN)

    def _end(self, status):
        if os.getpid() == self._pid and not self._ending:
            os._exit(status)

    def _receive(self):
        try:
            data, ancillary, flags, _ = self.sock.recvmsg(_READ, socket.CMSG_SPACE(64), _CLOEXEC)
        except OSError as error:
            if error.errno not in _FULL or self._received:
                raise
            # macOS and the BSDs say it so, and deliver the bytes that the descriptor came with next.
            data, ancillary, flags, _ = *self.sock.recvmsg(_READ, 0)[:2], socket.MSG_CTRUNC, None
        for level, kind, payload in ancillary:
            if level == socket.SOL_SOCKET and kind == socket.SCM_RIGHTS:
                fds = array("i")
                fds.frombytes(payload[:len(payload) - len(payload) % fds.itemsize])
                for fd in fds:
                    os.set_inheritable(fd, False)
                    self._received.append(fd)
        if flags & socket.MSG_CTRUNC and not ancillary:
            # The process has no room for another descriptor: the system has closed this one. It was one, as each FD frame
            # comes with one, and a read ends behind what came with it.
            self._received.append(None)
        if not data:
            raise LinkClosed
        return data

    def _dispatch(self, data):
        """Handles the complete frames in data and returns the rest."""
        start = 0
        while len(data) - start >= _HEADER.size:
            length, kind, _, _, stream = _HEADER.unpack_from(data, start)
            stop = start + _HEADER.size + length
            if stop > len(data):
                break
            self._handle(kind, data[start + _HEADER.size:stop])
            start = stop
        return data[start:]

    def _handle(self, kind, payload):
        if kind == PING:
            self.send(frame(PONG, 0, payload))
        elif kind == CANCEL:
            self._cancel(*loads(payload))
        elif kind == RECALL:
            given = self.intake.recall(loads(payload))
            for stream in given:
                self.discard(stream)
            self.send(frame(RECALLED, 0, dumps(given, 4)))
        elif kind == FD:
            self._store(loads(payload))
        elif kind == STACK:
            self._tell_stacks(loads(payload))
        elif kind == INTERRUPT:
            self.on_interrupt(*loads(payload))
        elif kind == STOP:
            os._exit(0)

    def _tell_stacks(self, stream):
        """Whatever the application's threads and code are called, and whatever finds the lines of its source."""
        try:
            told = dumps(_readable(self.stacks(stream)), 4)
        except Exception as error:
            told = dumps({"": traceback_of(error)}, 4)
        self.send(frame(STACKS, stream, told))

    def _cancel(self, stream, hard):
        dropped = self.intake.cancel(stream, hard)
        if dropped:
            self.on_dropped(stream)
        elif dropped is False:
            self.on_cancel(stream, hard)

    # Descriptors.

    def _store(self, stream):
        with self._guard:
            self._descriptors[stream] = self._received.popleft()
            if self._arrived.locked():
                self._arrived.release()

    def take_descriptor(self, stream):
        """The descriptor that the front sent for stream; the caller owns it. Waits for it: the two sockets race.
        Raises OSError when it does not come, or when there was no room for it."""
        deadline = monotonic() + _DESCRIPTOR_WAIT
        while True:
            with self._guard:
                if stream in self._descriptors:
                    descriptor = self._descriptors.pop(stream)
                    break
            # Several threads may wait: one that another's descriptor woke, or that missed its own, looks again soon.
            acquire(self._arrived, 0.05)
            if monotonic() > deadline:
                raise OSError("the request's body file did not arrive")
        if descriptor is None:
            raise OSError(errno.EMFILE, "the worker has no room for the descriptor of the request's body or socket")
        return descriptor

    def discard(self, stream):
        """Closes a descriptor that nobody will take."""
        with self._guard:
            fd = self._descriptors.pop(stream, None)  # None also for one that was lost
        if fd is not None:
            os.close(fd)

    def send_descriptor(self, stream, fd):
        """Passes a copy of fd to the front, for the FILE frame that the caller queues next."""
        data = frame(FD, 0, dumps(stream, 4))
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array("i", [fd]))]
        with self._write_lock:
            sent = self.sock.sendmsg([data], rights)
            self.sock.sendall(data[sent:])

    def send(self, data):
        with self._write_lock:
            self.sock.sendall(data)


def _readable(stacks):
    """As much of stacks as a frame may hold: the ends of the first ones."""
    told, room = {}, _STACKS
    for name, text in stacks.items():
        name, text = name[:_NAME], text[-_STACK:]
        room -= len(name) + len(text)
        if room < 0 or len(told) == _MOST_STACKS:
            break
        told[name] = text
    return told


def thread_stacks(stream, only=None):
    """The stacks of all threads but the shim's own, or of the one whose identifier is `only`, by thread name."""
    threading = sys.modules.get("threading")  # imported by this thread it would take it for the main one
    names = {t.ident: t.name for t in threading.enumerate()} if threading else {}
    return {
        names.get(ident, "thread %d" % ident): "".join(traceback.format_stack(top))
        for ident, top in sys._current_frames().items()
        if ident == only or only is None and not _is_own(top)
    }


def _is_own(frame):
    """Whether nothing but the shim is on a thread's stack."""
    while frame is not None:
        if not frame.f_code.co_filename.startswith(_OWN):
            return False
        frame = frame.f_back
    return True
