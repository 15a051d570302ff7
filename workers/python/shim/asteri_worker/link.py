"""The link: frames on descriptor 3, read in large pieces and written one send a batch (PROTOCOL.md).

The model that owns the link decides when to read and when to flush. What is queued here is ordered so that frames of a
stream keep their order: `out` (frames) goes before `answers` (whole responses), and whoever queues a frame that must
follow an answer calls seal() first.
"""
import re
import struct
from _thread import allocate_lock
from collections import deque
from itertools import chain
from marshal import dumps, loads

from .errors import LinkClosed, kind_of, message_of

HELLO, REQUESTS, BODY, WINDOW, SHUTDOWN = 1, 2, 3, 4, 5
READY, FAILED, ANSWERS, START, DATA, INFORM, FILE, TRAILERS = 64, 65, 66, 67, 68, 69, 70, 71
WORKER_WINDOW, ABORT, ERROR, LOG, DONE, RETIRE = 72, 73, 74, 75, 76, 77
MESSAGES, ACCEPT, WORKER_MESSAGES = 7, 78, 79  # of WebSockets
PROBE, PROBED, DRAIN = 8, 80, 10
END, BROKEN, LEFT = 1, 2, 4  # flags; BROKEN: the request body will not be completed; LEFT: see ABORT in PROTOCOL.md

MAX_PAYLOAD = 16 << 20
WHOLE_BODY = 64 << 10  # the largest body of an answer; larger ones are streamed
MOST_FIELDS = 1000  # of a response: the front ends a worker that sends a few more
_ANSWERS = 64  # in a frame
_READ = 256 << 10
_HEADER = struct.Struct("<IBBHI")
_U32 = struct.Struct("<I")
_pack, _unpack, _size = _HEADER.pack, _HEADER.unpack_from, _HEADER.size


def frame(kind, stream, payload=b"", flags=0):
    """One frame as bytes."""
    if len(payload) > MAX_PAYLOAD:
        raise ValueError("a frame of %d bytes is larger than the link allows" % len(payload))
    return _pack(len(payload), kind, flags, 0, stream) + payload


def read_frame(sock):
    """Reads exactly one frame from a blocking socket: (kind, payload). For HELLO, before a model owns the link."""
    head = _read_exactly(sock, _size)
    return head[4], _read_exactly(sock, min(_U32.unpack_from(head)[0], MAX_PAYLOAD))


def _read_exactly(sock, count):
    data = b""
    while len(data) < count:
        piece = sock.recv(count - len(data))
        if not piece:
            raise LinkClosed
        data += piece
    return data


def value_frame(kind, stream, value, flags=0):
    """A frame whose payload is a marshalled value."""
    return frame(kind, stream, dumps(value, 4), flags)


def window_frame(stream, count):
    return _pack(4, WORKER_WINDOW, 0, 0, stream) + _U32.pack(count)


def read_u32(payload):
    return _U32.unpack(payload)[0]


def after(a, b):
    """Whether stream id a was given after b (both count up modulo 2^32)."""
    return 0 < ((a - b) & 0xFFFFFFFF) < 0x80000000


class FrameReader:
    """Cuts a stream socket's bytes into frames."""

    def __init__(self, sock):
        self._recv_into = sock.recv_into
        self._buffer = bytearray(_READ)
        self._view = memoryview(self._buffer)
        self._start = self._end = 0  # the bytes read and not yet cut

    def receive(self):
        """Reads once and returns the complete frames as (kind, flags, stream, payload); REQUESTS come decoded.
        Raises LinkClosed at the end of the stream, BlockingIOError when a non-blocking socket has nothing."""
        self._make_room()
        count = self._recv_into(self._view[self._end:])
        if not count:
            raise LinkClosed
        start, end, view = self._start, self._end + count, self._view
        frames = []
        while end - start >= _size:
            length, kind, flags, _, stream = _unpack(view, start)
            first, start_next = start + _size, start + _size + length
            if start_next > end:
                break
            payload = loads(view[first:start_next]) if kind == REQUESTS else bytes(view[first:start_next])
            frames.append((kind, flags, stream, payload))
            start = start_next
        if start == end:
            start = end = 0
        self._start, self._end = start, end
        return frames

    def _make_room(self):
        """Makes sure that the frame being read fits and that there is space to read into."""
        start, end = self._start, self._end
        if start == end:
            if len(self._buffer) > _READ:  # a large frame made it grow: give the memory back
                self._resize(_READ, 0, 0)
            return
        need = _size
        if end - start >= _size:
            need += _U32.unpack_from(self._buffer, start)[0]
        if need > MAX_PAYLOAD + _size:
            raise LinkClosed("a frame of %d bytes on the link" % need)
        if start + max(need, end - start + 1) > len(self._buffer):
            self._resize(max(need, _READ), start, end)

    def _resize(self, size, start, end):
        kept = bytes(self._view[start:end])
        if size != len(self._buffer):
            self._view.release()
            self._buffer = bytearray(size)
            self._view = memoryview(self._buffer)
        self._view[:len(kept)] = kept
        self._start, self._end = 0, len(kept)


class Link:
    """Descriptor 3 with its outgoing queues. flush() belongs to the subclasses below."""

    def __init__(self, sock):
        self.sock = sock
        self.receive = FrameReader(sock).receive
        # deques: append and popleft are atomic, so a thread may queue while another one flushes.
        self.out = deque()
        self.answers = deque()  # (stream, status, headers, body[, True])

    def abandon(self):
        """In a forked child: the link is the worker's. What is put here goes nowhere, and reading finds it closed."""
        self.sock = Nowhere()
        self.receive = self.sock.recv_into
        self.out.clear()
        self.answers.clear()

    def put(self, *frames):
        """Queues encoded frames; any thread."""
        self.out.extend(frames)

    def seal(self):
        """Moves the queued answers behind the queued frames, so that what is put next follows them."""
        answers = self.answers
        if answers:
            pop = answers.popleft
            self.out.extend(_answers([pop() for _ in range(len(answers))]))

    def linger(self, tail):
        """Queues the answer in tail (a list of one item: whoever pops it deals with it) as one whose call still runs."""
        try:
            self.answers.append(tail.pop() + (True,))
        except IndexError:
            return  # the call has just ended and queues its answer itself
        self.seal()

    def done(self, stream):
        """Ends a stream that has no answer here: it was streamed, or its answer lingers."""
        self.out.append(frame(DONE, stream))

    def _take(self):
        """All that is queued, as bytes, ready to send."""
        self.seal()
        out = self.out
        pop = out.popleft
        if len(out) == 1:
            return pop()
        return b"".join([pop() for _ in range(len(out))])


class Nowhere:
    """Stands in for a socket to the front in a child that the application has forked."""

    def send(self, data):
        return len(data)

    def sendall(self, data):
        pass

    def sendmsg(self, buffers, *_):
        return sum(map(len, buffers))

    def recv_into(self, *_):
        raise LinkClosed

    def setblocking(self, _):
        pass

    def fileno(self):
        return -1


class _Threads:
    """For links of calls that run on several threads, of which one may have another's answer linger."""

    def abandon(self):
        super().abandon()
        self._lock = allocate_lock()  # another thread may have held it, which the child does not have

    def linger(self, tail):
        with self._lock:
            super().linger(tail)

    def done(self, stream):
        with self._lock:  # not between the two steps of linger(): DONE would come before the answer
            super().done(stream)


class BlockingLink(_Threads, Link):
    """For models that run on threads: flush() returns when everything was taken by the kernel."""

    def __init__(self, sock):
        super().__init__(sock)
        self._lock = allocate_lock()  # held by who writes, too

    def flush(self):
        if self.answers or self.out:
            with self._lock:
                data = self._take()
                if data:
                    self.sock.sendall(data)

    nudge = flush  # what other threads queued is sent at once

    def linger(self, tail):
        super().linger(tail)
        self.flush()


class LoopLink(Link):
    """For models on an event loop: flush() never blocks; what the kernel does not take waits for want_write(True)'s event.

    The backlog is bounded by what the front lets a worker send: whole answers by the worker's capacity, DATA by the
    streams' windows.
    """

    def __init__(self, sock, want_write, nudge):
        super().__init__(sock)
        sock.setblocking(False)
        self.nudge = nudge  # has flush() called soon on the loop; any thread
        self._send = sock.send
        self._want_write = want_write
        self._backlog = b""

    def abandon(self):
        super().abandon()
        self._send, self._backlog = self.sock.send, b""

    def flush(self):
        if not self._backlog and (self.answers or self.out):
            self._write(self._take())

    def on_writable(self):
        """The socket takes bytes again."""
        data, self._backlog = self._backlog, b""
        self._write(data)
        if not self._backlog:
            self._want_write(False)
            self.flush()

    def finish(self):
        """Sends what is left, waiting for the kernel; the loop runs no more."""
        self.sock.setblocking(True)
        self.sock.sendall(self._backlog + self._take())

    def _write(self, data):
        try:
            sent = self._send(data)
        except BlockingIOError:
            sent = 0
        if sent < len(data):
            self._backlog = data[sent:]
            self._want_write(True)


class ThreadsLoopLink(_Threads, LoopLink):
    """A LoopLink of calls that run on threads."""

    def __init__(self, sock, want_write, nudge):
        super().__init__(sock, want_write, nudge)
        self._lock = allocate_lock()


def _answers(batch):
    """Encodes answers as frames: normally one."""
    if len(batch) > _ANSWERS:
        return [f for start in range(0, len(batch), _ANSWERS) for f in _answers(batch[start:start + _ANSWERS])]
    try:
        payload = dumps(batch, 4)
    except Exception:  # one of them holds what marshal cannot dump (a str subclass): it must not spoil the others
        return [f for answer in batch for f in _normalised(answer)]
    if len(payload) <= MAX_PAYLOAD:
        return [_pack(len(payload), ANSWERS, 0, 0, 0) + payload]
    if len(batch) == 1:
        return _refused(batch[0], "ValueError: the response's headers are too large")
    middle = len(batch) // 2
    return _answers(batch[:middle]) + _answers(batch[middle:])


def _normalised(answer):
    try:
        return _answers([_plain(answer)])
    except BaseException as error:  # the application's own types may raise anything
        return _refused(answer, message_of(error))


def _plain(answer):
    stream, status, headers, body = answer[:4]
    return (stream, status, plain_headers(headers), bytes(body)) + answer[4:]


# RFC 9112 section 4, for the statuses that RFC 9110 section 15 knows.
is_status = re.compile(r"[1-5][0-9]{2}(?: [\t\x20-\x7e\x80-\xff]{0,500})?\Z").match


def status_of(code, reason):
    """The status of START and ANSWERS for a code and its reason phrase; without the latter if it is none."""
    line = "%d %s" % (code, reason)
    return line if reason and is_status(line) else code


def plain_headers(headers):
    """Flat headers with every item an exact str or bytes. Raises TypeError for anything else."""
    return tuple([_plain_text(item) for item in headers])


def _plain_text(item):
    if isinstance(item, str):
        text = str.__str__(item)
        text.encode("latin-1")
        return text
    if isinstance(item, (bytes, bytearray, memoryview)):
        return bytes(item)
    raise TypeError("header names and values must be str or bytes, not %s" % kind_of(item))


def _refused(answer, message):
    """The frames of an answer that cannot be sent. One that lingers gets its DONE from its own call."""
    error = value_frame(ERROR, answer[0], (message, ""))
    return [error] if len(answer) > 4 else [error, frame(DONE, answer[0])]


def flat(headers):
    """(name, value) pairs as the flat tuple of the wire. Raises TypeError or ValueError when they are not pairs."""
    items = tuple(chain.from_iterable(headers))
    if len(items) != 2 * len(headers):
        raise TypeError("headers must be a list of (name, value) pairs")
    if len(items) > 2 * MOST_FIELDS:
        raise ValueError("a response with more than %d header fields" % MOST_FIELDS)
    try:
        (b"" if items and items[0].__class__ is bytes else "").join(items)
    except TypeError:  # both are among them, or what is neither: marshal takes much that the front does not
        for item in items:
            if not isinstance(item, (str, bytes, bytearray, memoryview)):
                raise TypeError("header names and values must be str or bytes, not %s" % kind_of(item)) from None
    return items


def flat_iterable(headers):
    """flat() of any iterable, which is what ASGI allows."""
    return flat(headers if isinstance(headers, (list, tuple)) else list(headers))


def status_code(status):
    """An exact int of what an application gave as one, HTTPStatus for example. Raises TypeError or ValueError."""
    number = status if status.__class__ is int else int.__int__(status)
    if not 100 <= number <= 999:
        raise ValueError("%d is not a status" % number)
    return number


def start_frame(kind, stream, status, headers):
    """A START or INFORM frame; headers are flat."""
    try:
        return value_frame(kind, stream, (status, headers))
    except ValueError:
        return value_frame(kind, stream, (status, plain_headers(headers)))
