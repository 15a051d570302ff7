"""A front in Python for the tests: starts a real worker process and speaks PROTOCOL.md with it over socketpairs."""
import array
import fcntl
import os
import shutil
import socket
import struct
import subprocess
import sys
import tempfile
import textwrap
import threading
import time
from marshal import dumps, loads

from .program import BOOT, COMPILED, ENVIRON

HEADER = struct.Struct("<IBBHI")
HELLO, REQUESTS, BODY, WINDOW, SHUTDOWN = 1, 2, 3, 4, 5
DRAIN = 10
READY, FAILED, ANSWERS, START, DATA, INFORM, FILE, TRAILERS = range(64, 72)
WORKER_WINDOW, ABORT, ERROR, LOG, DONE, RETIRE = range(72, 78)
PROBE, PROBED, PROGRAM = 8, 80, 9
CANCEL, RECALL, RECALLED, PING, PONG, STACK, STACKS, FD, STOP = range(128, 137)
END = 1
DEADLINE = 20.0
WSGI = "def app(environ, start_response):\n    start_response('200 OK', [])\n    return [b'wsgi']\napplication = app\n"


def frame(kind, stream, payload=b"", flags=0):
    return HEADER.pack(len(payload), kind, flags, 0, stream) + payload


class Stream:
    """What came for one stream."""

    def __init__(self, number):
        self.number = number
        self.status = self.reason = self.headers = self.error = self.abort = self.trailers = None
        self.informs = []
        self.body = bytearray()
        self.chunks = []
        self.kinds = []
        self.granted = 0
        self.whole = self.ended = self.done = self.lingers = False
        self.over = False  # nothing but WINDOW and DONE may follow

    def begin(self, status, headers):
        if isinstance(status, str):
            status, _, self.reason = status.partition(" ")
            assert status.isdigit() and len(status) == 3 and self.reason, "a status of another form"
        self.status, self.headers = int(status), headers

    def header(self, name):
        return [v for n, v in self.pairs() if n.lower() == name.lower()]

    def pairs(self):
        flat = [i.decode("latin-1") if isinstance(i, bytes) else i for i in self.headers]
        return list(zip(flat[::2], flat[1::2]))


class Front:
    def __init__(self, source="", model="", app="fixture:app", files=None, auto_window=True, python=None, wait=True,
                 prelude="", program=COMPILED, **hello):
        """python: another environment of this very Python."""
        self.directory = tempfile.mkdtemp(prefix="asteri-shim-")
        for name, text in {"fixture.py": source, **(files or {})}.items():
            path = os.path.join(self.directory, name)
            os.makedirs(os.path.dirname(path), exist_ok=True)
            with open(path, "w") as f:
                f.write(textwrap.dedent(text))
        self.auto_window = auto_window
        self.streams, self.logs, self.replies, self.fds = {}, [], [], {}
        self.failures = []  # (error, traceback, stream) of records about one
        self.ready = self.failed = None
        self.retired = self.closed = False
        self.breach = None  # what the worker sent and may not
        self.probed = 0  # how often PROBE was answered
        self.told = 0  # bytes of the output that an earlier test has seen
        self.since = 0  # the first stream of this test
        self.grants = {}
        self.changed = threading.Condition()
        self.next_stream = 1
        self.interface = "wsgi"
        self._start(python or sys.executable, prelude.encode())
        self.send(frame(PROGRAM, 0, program))
        self.send(frame(HELLO, 0, dumps({
            "version": 1, "app": app, "model": model, "interface": "auto", "threads": 4, "worker_connections": 1000, "chdir": self.directory,
            "pythonpath": [], "root_path": "", "lifespan": "auto", "loop": "auto", "multiprocess": True, "age": 1,
            "server_software": "asteri-loop/test", "check": False, "keep_output": False, "log_level": 20, "request_id": "X-Request-ID", "graceful_timeout": 5.0,
            "sources": False, "conf": "", "proc_name": "", "nice": 0, "rlimits": [], "response_window": 262144, "body_window": 65536, **hello,
        }, 4)))
        if wait:
            self.wait(lambda: self.ready or self.failed or self.closed, "READY or FAILED")
            if self.ready:
                self.interface = self.ready["interface"]

    def _start(self, python, prelude):
        link, link_end = socket.socketpair()
        control, control_end = socket.socketpair()
        self.link, self.control = link, control
        ends = [fcntl.fcntl(s.fileno(), fcntl.F_DUPFD, 20) for s in (link_end, control_end)]

        def place():
            os.dup2(ends[0], 3)
            os.dup2(ends[1], 4)

        self.out = open(os.path.join(self.directory, "output"), "w+b")
        self.process = subprocess.Popen(
            [python, "-", "asteri-loop", "worker"], pass_fds=(3, 4), preexec_fn=place, stdin=subprocess.PIPE, stdout=self.out,
            stderr=self.out, env=ENVIRON, cwd=self.directory,
        )
        with self.process.stdin as boot:
            boot.write(prelude + BOOT)
        for s in (link_end, control_end):
            s.close()
        for fd in ends:
            os.close(fd)
        threading.Thread(target=self._read, args=(link, self._on_link), daemon=True).start()
        threading.Thread(target=self._read, args=(control, self._on_control), daemon=True).start()

    # Reading.

    def _read(self, sock, handle):
        data = b""
        while True:
            try:
                piece, fds, _, _ = socket.recv_fds(sock, 1 << 16, 8)
            except OSError:
                piece, fds = b"", []
            if not piece:
                with self.changed:
                    self.closed = self.closed or sock is self.link
                    self.changed.notify_all()
                return
            data += piece
            with self.changed:
                self.pending_fds = fds
                while len(data) >= 12:
                    length, kind, flags, _, stream = HEADER.unpack_from(data)
                    if len(data) < 12 + length:
                        break
                    try:
                        handle(kind, flags, stream, data[12:12 + length])
                    except (AssertionError, LookupError) as error:
                        self.breach = self.breach or "frame %d for stream %d: %r" % (kind, stream, error)
                    data = data[12 + length:]
                self.changed.notify_all()

    def _on_link(self, kind, flags, number, payload):
        if kind == ANSWERS:
            for answer in loads(payload):
                s = self.streams[answer[0]]
                assert s.status is None and not s.done, "a second response"
                s.begin(answer[1], answer[2])
                s.whole, s.ended, s.over = True, True, True
                s.body += answer[3]
                s.kinds.append(ANSWERS)
                s.lingers = len(answer) > 4
                s.done = not s.lingers
            return
        if kind in (READY, FAILED):
            setattr(self, "ready" if kind == READY else "failed", loads(payload))
            return
        if kind == LOG:
            for record in loads(payload):
                if 0 < record[3] < self.since:
                    continue
                self.logs.append(record[:4])
                if len(record) > 4:
                    self.failures.append((*record[4:], record[3]))
            return
        if kind == PROBED:
            self.probed += 1
            return
        if kind == RETIRE:
            self.retired = True
            return
        s = self.streams[number]
        assert not s.done, "frame %d after DONE" % kind
        assert not s.over or kind in (WORKER_WINDOW, DONE), "frame %d after the end of a response" % kind
        s.over = s.over or kind in (TRAILERS, ERROR, ABORT) or kind in (DATA, FILE) and bool(flags & END)
        s.kinds.append(kind)
        if kind == START:
            s.begin(*loads(payload))
        elif kind == DATA:
            assert not s.ended and s.status is not None
            s.body += payload
            s.chunks.append(payload)
            s.granted -= len(payload)
            assert s.granted >= 0 or self.auto_window, "more than the window"
            if self.auto_window and payload:
                self.grant(number, len(payload))
            s.ended = bool(flags & END)
        elif kind == FILE:
            path, offset, count = loads(payload)
            assert path is None
            self.changed.wait_for(lambda: number in self.fds, DEADLINE)  # the two sockets race
            fd = self.fds.pop(number)
            with os.fdopen(fd, "rb") as f:
                f.seek(offset)
                s.body += f.read() if count < 0 else f.read(count)
            s.ended = bool(flags & END)
        elif kind == TRAILERS:
            s.trailers, s.ended = loads(payload), True
        elif kind == INFORM:
            assert s.status is None, "an interim response after the final one"
            s.informs.append(loads(payload))
        elif kind == WORKER_WINDOW:
            self.grants[number] = self.grants.get(number, 0) + struct.unpack("<I", payload)[0]
        elif kind == ERROR:
            s.error = loads(payload)
        elif kind == ABORT:
            s.abort = loads(payload)
        elif kind == DONE:
            s.done = True
        else:
            raise AssertionError("unknown frame %d" % kind)

    def _on_control(self, kind, flags, number, payload):
        if kind == FD:
            self.fds[loads(payload)] = self.pending_fds.pop(0)
        else:
            self.replies.append((kind, payload if kind == PONG else loads(payload)))

    # Writing.

    def send(self, data):
        self.link.sendall(data)

    def grant(self, number, count):
        self.streams[number].granted += count
        self.send(frame(WINDOW, number, struct.pack("<I", count)))

    def request(self, path="/", method="GET", headers=(), body=b"", query="", length=None, version="1.1", scheme="http",
                client=("127.0.0.1", 5000), server=("10.0.0.1", 8080), root=None, tls=None):
        """A request tuple; headers are ("Name", "value") pairs, root is what a proxy says, tls what a certificate does."""
        number = self.next_stream
        self.next_stream += 1
        stream = self.streams[number] = Stream(number)
        stream.granted = 262144
        if self.interface == "wsgi":
            fields = {}
            for name, value in headers:
                key = name.upper().replace("-", "_")
                fields[key if key in ("CONTENT_TYPE", "CONTENT_LENGTH", "SCRIPT_NAME", "REMOTE_USER") else "HTTP_" + key] = value
        else:
            fields = tuple((n.lower().encode(), v.encode("latin-1")) for n, v in headers)
            query = query.encode()
        if length is None:
            length = len(body) if isinstance(body, bytes) else -1
        request = (number, method, scheme, version, path.encode("latin-1"), query, fields, client, server, body, length)
        if tls is not None:
            return (*request, root or b"", tls)
        return request if root is None else (*request, root)

    def post_batch(self, requests):
        self.send(frame(REQUESTS, 0, dumps(list(requests), 4)))
        return [self.streams[r[0]] for r in requests]

    def start(self, *args, **kwargs):
        return self.post_batch([self.request(*args, **kwargs)])[0]

    def call(self, *args, **kwargs):
        stream = self.start(*args, **kwargs)
        self.wait_done(stream)
        return stream

    def call_with_file(self, data, **kwargs):
        """A request whose body is in a file."""
        request = self.request(body=len(data), method="POST", length=len(data), **kwargs)
        with tempfile.TemporaryFile() as f:
            f.write(data)
            f.flush()
            f.seek(0)
            self._pass(request[0], f.fileno())
        stream = self.post_batch([request])[0]
        self.wait_done(stream)
        return stream

    def upgrade(self, path="/", headers=(), left=False, **kwargs):
        """A request that offers a WebSocket. Returns its stream, and the front's end of the socket that came with it. left:
        its client leaves before it is sent."""
        headers = [("Host", "example.org"), ("Connection", "Upgrade"), ("Upgrade", "websocket"), ("Sec-WebSocket-Version", "13"),
                   ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), *headers]
        request = self.request(path, headers=headers, body=True, length=0, **kwargs)
        ours, theirs = socket.socketpair()
        ours.settimeout(DEADLINE)
        with theirs:
            self._pass(request[0], theirs.fileno())
        if left:
            self.cancel(self.streams[request[0]])
        return self.post_batch([request])[0], ours

    def _pass(self, number, fd):
        rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [fd]))]
        self.control.sendmsg([frame(FD, 0, dumps(number, 4))], rights)

    def descriptors(self):
        """How many the worker has."""
        return len(os.listdir("/proc/%d/fd" % self.process.pid))

    def body(self, stream, data, flags=0):
        self.send(frame(BODY, stream.number, data, flags))

    def control_frame(self, kind, value=None, raw=None):
        self.control.sendall(frame(kind, 0, dumps(value, 4) if raw is None else raw))

    def cancel(self, stream, hard=True):
        self.control_frame(CANCEL, (stream.number, hard))

    # Waiting.

    def wait(self, condition, what, timeout=DEADLINE):
        with self.changed:
            came = self.changed.wait_for(lambda: self.breach or condition(), timeout)
            assert self.breach is None, self.breach
            if not came:
                raise AssertionError("waited in vain for %s\n%s" % (what, self.output()))

    def wait_done(self, *streams):
        self.wait(lambda: all(s.done for s in streams) or self.closed, "DONE")
        assert all(s.done for s in streams), "the worker went away\n" + self.output()

    def reply(self, kind):
        self.wait(lambda: any(k == kind for k, _ in self.replies), "reply %d" % kind)
        with self.changed:
            found = next(r for r in self.replies if r[0] == kind)
            self.replies.remove(found)
        return found[1]

    def output(self):
        with open(self.out.name, "rb") as f:
            f.seek(self.told)
            return f.read().decode(errors="replace")

    def shutdown(self):
        self.send(frame(SHUTDOWN, 0))
        return self.process.wait(DEADLINE)

    def exists(self, name):
        return os.path.exists(os.path.join(self.directory, name))

    def wait_file(self, name):
        deadline = time.monotonic() + DEADLINE
        while not self.exists(name):
            assert time.monotonic() < deadline, "no file %s\n%s" % (name, self.output())
            time.sleep(0.005)

    def touch(self, name):
        open(os.path.join(self.directory, name), "w").close()

    def remove(self, *names):
        for name in names:
            os.unlink(os.path.join(self.directory, name))

    def idle(self):
        """Whether another test may have the worker."""
        with self.changed:
            return self.process.poll() is None and not (self.closed or self.breach or self.retired or self.fds) and all(
                s.done for s in self.streams.values())

    def forget(self, files):
        """What one test has seen is not seen by the next. files stay."""
        with self.changed:
            for seen in (self.logs, self.failures, self.replies, self.grants):
                seen.clear()
            self.since, self.probed, self.told = self.next_stream, 0, os.path.getsize(self.out.name)
        self.remove(*(name for name in os.listdir(self.directory) if name not in files))

    def close(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        for sock in (self.link, self.control):
            sock.close()
        self.out.close()
        while self.fds:
            os.close(self.fds.popitem()[1])
        shutil.rmtree(self.directory, ignore_errors=True)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.close()
