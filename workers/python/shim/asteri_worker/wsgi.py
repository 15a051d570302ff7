"""WSGI (PEP 3333): environ, start_response, write, and the delivery of what an application returns.

One Gateway serves every model, on the model's Host (host.py).
"""
import io
import os
import stat
from urllib.parse import unquote_to_bytes

from .children import ANY, leave
from .clientsocket import Loan
from .errors import ClientDisconnected, message_of, traceback_of
from .interrupts import RequestTimeout, entry
from .link import DATA, END, FILE, INFORM, START, WHOLE_BODY, flat, frame, is_status, start_frame, value_frame
from .logs import ERROR, ErrorStream, report_failure
from .output import about

_BytesIO, _open = io.BytesIO, os.fdopen
_INLINE_FILE = 16 << 10  # below this, reading a file costs less than passing its descriptor


_USUAL = {"200 OK", "201 Created", "204 No Content", "301 Moved Permanently", "302 Found", "304 Not Modified", "400 Bad Request",
          "403 Forbidden", "404 Not Found"}


class _Statuses(dict):
    """Status line -> status on the link: applications use few, so judging them is done once."""

    def __missing__(self, line):
        if not isinstance(line, str):
            raise TypeError("the status must be a str, not %s" % type(line).__name__)
        line = "".join((line,))  # exactly a str, whatever it was
        if not is_status(line):
            raise ValueError("%r is not a status line: a number from 100 to 599, and a short reason in latin-1" % line)
        status = int(line[:3]) if line in _USUAL or len(line) < 5 else line
        if len(self) < 1000:
            self[line] = status
        return status


_statuses = _Statuses()


class Response:
    """The response of one call. Everything is streamed except what is whole before its first byte had to be sent."""

    # Class attributes, so that a plain call sets none of them.
    status = None
    headers = ()
    held = False  # the answer was put into the tail
    started = False  # START was queued
    gone = False  # the client left
    sent = granted = 0  # the window: bytes written by the call, bytes allowed by the front
    waker = None  # for the host's use
    errors = None  # wsgi.errors, if it holds a line without an end
    input = None  # the file of a request body that came as one; closed with the call
    ended = False  # nothing more can be sent: the last frame of the body was queued, or the call has returned
    hole = None  # why part of what write() was given is missing
    loan = None  # of the client's socket, for a request that offers an upgrade

    def __init__(self, host, stream, tail):
        self.host = host
        self.stream = stream
        self.tail = tail  # holds the answer while the call still runs; see Link.linger

    def start_response(self, status, headers, exc_info=None):
        if exc_info is not None:
            try:
                if self.started or self.held:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # no reference cycle through the traceback
        elif self.status is not None:
            raise AssertionError("start_response was called twice without exc_info")
        self.status = _statuses[status]
        self.headers = headers
        return self.write

    def early_hints(self, headers):
        """`wsgi.early_hints`, as gunicorn has it: sends a 103 response with these (name, value) pairs at once. May be
        called several times; does nothing once the response has begun, or for a client that takes no such response."""
        if not (self.started or self.held or self.gone or self.ended):
            self.host.link.put(start_frame(INFORM, self.stream, 103, flat(list(headers))))
            self.host.flush()

    def write(self, data):
        """The callable that start_response returns: sends at once."""
        self._check(data)
        if self.ended:
            raise AssertionError("write() was called after the end of the response")
        try:
            if data and (not self.held or self._unhold()):
                self._begin()
                self._send(data)
        except BaseException as error:
            self.hole = error  # a thread of the application may keep it to itself
            raise

    def push(self, chunk):
        """One item of the application's iterable."""
        self._check(chunk)
        if not chunk:
            return
        if not (self.started or self.held):
            if len(chunk) <= WHOLE_BODY and self._content_length() == len(chunk):
                # Nothing may follow: this is the whole response, one answer is cheaper than a stream.
                self._hold(chunk)
                return
            self._begin()
        elif self.held and not self._unhold():
            return  # more than Content-Length, and the front has the whole response already
        self._send(chunk)

    def _check(self, data):
        if not isinstance(data, (bytes, bytearray, memoryview)):
            raise TypeError("response data must be bytes, not %s" % type(data).__name__)
        if self.status is None:
            raise AssertionError("response data came before start_response was called")

    def _content_length(self):
        for name, value in self.headers:
            if len(name) == 14 and name.lower() == "content-length":
                return int(value) if value.isdigit() else -1
        return -1

    def _hold(self, body):
        self.held = True
        self.tail.append((self.stream, self.status, flat(self.headers), bytes(body)))
        self.host.held(self)

    def _unhold(self):
        """Turns the held answer into a stream, because more came. False if it has gone out."""
        try:
            body = self.tail.pop()[3]
        except IndexError:
            return False
        self.held = False
        self._begin()
        self._send(body)
        return True

    def _begin(self):
        if not self.started:
            if self.status is None:
                raise AssertionError("the application did not call start_response")
            self.host.link.put(start_frame(START, self.stream, self.status, flat(self.headers)))
            self.granted = self.host.response_window
            self.started = True
            if self.stream in self.host.departed:
                self.gone = True

    def _send(self, data):
        """Sends data within the window; waits for the front to take it."""
        host = self.host
        rest = memoryview(data).cast("B") if len(data) > self.granted - self.sent else data
        while True:
            if self.gone:
                raise ClientDisconnected
            room = self.granted - self.sent
            if room <= 0:
                host.wait(self)
                continue
            part, rest = rest[:room], rest[room:]
            self.sent += len(part)
            host.link.put(frame(DATA, self.stream, part))
            host.flush()
            if not len(rest):
                return

    def send_file(self, wrapper):
        """Has the front send a regular file. False if the wrapper holds none."""
        if self.started or self.held or self.status is None:
            return False
        found = _regular_file(wrapper.filelike)
        if found is None:
            return False
        file, offset, count = found
        declared = self._content_length()
        if 0 <= declared < count:
            count = declared
        if count <= _INLINE_FILE:
            self.push(file.read(count))
            return True
        headers = flat(self.headers)
        if declared < 0:
            headers += ("Content-Length", str(count))
        host = self.host
        start = start_frame(START, self.stream, self.status, headers)
        host.control.send_descriptor(self.stream, file.fileno())
        host.link.put(start, value_frame(FILE, self.stream, (None, offset, count), END))
        self.started = self.ended = True
        host.flush()
        return True

    def complete(self):
        """The iterable is exhausted: the response is whole."""
        if self.started:
            if self.hole is not None:
                raise self.hole
            if not self.ended:
                self.ended = True
                self.host.link.put(frame(DATA, self.stream, b"", END))
                self.host.flush()
        elif not self.held:
            if self.status is None:
                if self.loan is not None:
                    return  # the front knows whether the application has answered on the socket
                raise AssertionError("the application did not call start_response")
            self._hold(b"")

    def release(self):
        """The call has returned."""
        self.ended = True
        link = self.host.link
        if self.held:
            try:
                link.answers.append(self.tail.pop())
                return
            except IndexError:
                pass  # it lingered: the answer has gone out
        link.done(self.stream)

    def fail(self, error):
        """The call raised."""
        host, stream = self.host, self.stream
        if host.forked is not None and host.forked in (ANY, stream):
            leave(error)
        if self.gone and isinstance(error, ClientDisconnected):
            pass  # how a call learns that its client left; nothing of the application is wrong
        elif isinstance(error, RequestTimeout):
            pass  # the front has told the client and the log
        elif self.loan is not None and self.status is None and self.loan.excuses(error):
            pass
        elif self.held or self.ended:
            host.log(ERROR, "the application failed after its response was complete", stream, error=error)
        else:
            report_failure(host.link.put, stream, self.started, message_of(error), traceback_of(error))
        self.release()

    def put_away(self, part):
        """Ends something that the call has had, by part(). An application may have broken it: that is logged."""
        try:
            part()
        except BaseException as error:
            self.host.log(ERROR, "after the end of the call: " + traceback_of(error), self.stream)


class FileWrapper:
    """`wsgi.file_wrapper`: an iterable over a file, which the front sends itself if it is a regular one."""

    def __init__(self, filelike, blksize=8192):
        self.filelike = filelike
        self.blksize = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self):
        return self

    @entry
    def __next__(self):
        data = self.filelike.read(self.blksize)
        if not data:
            raise StopIteration
        return data


def _regular_file(filelike):
    """(file, offset, bytes left) if filelike reads a regular file unaltered, else None. A fileno() alone does not say so:
    a GzipFile has one too."""
    for _ in range(3):  # tempfile's and Django's wrappers keep the file in .file
        if isinstance(getattr(filelike, "raw", filelike), io.FileIO):
            break
        filelike = getattr(filelike, "file", None)
    else:
        return None
    try:
        offset = filelike.tell()
        info = os.fstat(filelike.fileno())
    except (OSError, ValueError):
        return None
    if not stat.S_ISREG(info.st_mode) or not filelike.readable():
        return None
    return filelike, offset, max(info.st_size - offset, 0)


class Gateway:
    """Calls a WSGI application and queues its responses."""

    def __init__(self, app, host, hello, multithread):
        self._app = app
        self._host = host
        self._answer = host.link.answers.append
        self._root = hello["root_path"].rstrip("/").encode("utf-8").decode("latin-1")  # as PEP 3333 has all that is text
        self._bases = {}  # (scheme, version, server) -> the part of the environ that such requests share
        self._constants = {
            "wsgi.version": (1, 0),
            "wsgi.multithread": multithread,
            "wsgi.multiprocess": bool(hello["multiprocess"]),
            "wsgi.run_once": False,
            "wsgi.input_terminated": True,
            "wsgi.file_wrapper": FileWrapper,
            "SERVER_SOFTWARE": hello["server_software"],
            "SCRIPT_NAME": "",
            "REMOTE_ADDR": "",
            "REMOTE_PORT": "",
            # Of each request. They are here so that a copy has their places.
            "REQUEST_METHOD": "",
            "QUERY_STRING": "",
            "RAW_URI": "",
            "REQUEST_URI": "",
            "PATH_INFO": "",
            "wsgi.errors": None,
            "wsgi.early_hints": None,
            "wsgi.input": None,
        }

    @entry
    def call(self, request, tail):
        """Runs one request to its end. Never raises. `tail` is an empty list of the caller's; see Response.tail."""
        stream = request[0]
        about(request[6])
        host = self._host
        response = host.running[stream] = Response(host, stream, tail)
        try:
            result = self._app(self._environ(request, response), response.start_response)
            kind = type(result)
            if (kind is list or kind is tuple) and not response.started and response.status is not None:
                body = result[0] if len(result) == 1 else b"".join(result)
                if type(body) is bytes and len(body) <= WHOLE_BODY:
                    answer = (stream, response.status, flat(response.headers), body)
                    response.ended = True  # an application may have kept write(), or given it to a thread
                    self._answer(answer)
                    return
            self._deliver(result, response)
            response.release()
        except BaseException as error:
            response.fail(error)
        finally:
            del host.running[stream]
            if response.errors is not None:
                response.put_away(response.errors.flush)
            if response.input is not None:
                response.put_away(response.input.close)
            if response.loan is not None:
                response.put_away(response.loan.finish)
            about(())  # what this thread says from here on is of no request

    @entry
    def _deliver(self, result, response):
        if response.loan is not None and not hasattr(result, "__iter__"):
            result = ()  # libraries that take the socket return what they like
        try:
            if not (isinstance(result, FileWrapper) and response.send_file(result)):
                for chunk in result:
                    response.push(chunk)
            response.complete()
        finally:
            close = getattr(result, "close", None)
            if close is not None:
                close()

    def _environ(self, request, response):
        stream, method, scheme, version, path, query, headers, client, server, body, length = request
        environ = (self._bases.get((scheme, version, server)) or self._base(scheme, version, server)) | headers
        raw = path.decode("latin-1")
        environ["REQUEST_METHOD"] = method
        environ["QUERY_STRING"] = query
        environ["RAW_URI"] = environ["REQUEST_URI"] = raw + "?" + query if query else raw
        environ["PATH_INFO"] = unquote_to_bytes(path).decode("latin-1") if "%" in raw else raw
        if client is not None:
            host, port = client
            environ["REMOTE_ADDR"] = host
            environ["REMOTE_PORT"] = str(port) if port else ""  # a proxy need not know it
        if "SERVER_NAME" not in environ:
            environ["SERVER_NAME"], environ["SERVER_PORT"] = _named_by_host(environ.get("HTTP_HOST", ""), scheme)
        root = environ["SCRIPT_NAME"] or self._root  # that of a trusted proxy, or of the settings
        if root:
            self._mount(environ, root)
        environ["wsgi.errors"] = ErrorStream(response)
        environ["wsgi.early_hints"] = response.early_hints
        if body.__class__ is int:
            descriptor = self._host.control.take_descriptor(stream)
            environ["wsgi.input"] = response.input = _open(descriptor, "rb")
        elif body is True:
            environ["wsgi.input"] = _BytesIO()
            descriptor = self._host.control.take_descriptor(stream)
            response.loan = Loan(descriptor, environ, client, server, self._app)
        else:
            environ["wsgi.input"] = _BytesIO(body or b"")
        if length > 0 and "CONTENT_LENGTH" not in environ:
            # The body came chunked and is whole now: applications that read only by CONTENT_LENGTH get it too.
            environ["CONTENT_LENGTH"] = str(length)
            environ.pop("HTTP_TRANSFER_ENCODING", None)
        return environ

    def _base(self, scheme, version, server):
        base = {**self._constants, "wsgi.url_scheme": scheme, "SERVER_PROTOCOL": "HTTP/" + version}
        if server is not None and server[1] is not None:
            base["SERVER_NAME"], base["SERVER_PORT"] = server[0], str(server[1])
        if len(self._bases) > 100:  # a server listens on few addresses; a wildcard on a host with many could show more
            self._bases.clear()
        self._bases[scheme, version, server] = base
        return base

    def _mount(self, environ, root):
        """SCRIPT_NAME is the root path; it is taken off a path that begins with it (a proxy may have done so already)."""
        path = environ["PATH_INFO"]
        environ["SCRIPT_NAME"] = root
        if path == root or path.startswith(root + "/"):
            environ["PATH_INFO"] = path[len(root):]


def gateway_of(worker, host, multithread):
    """What calls the worker's application on a host."""
    if worker.hooks is None or not worker.hooks.of_requests:
        return Gateway(worker.app, host, worker.hello, multithread)
    from .hookedcalls import HookedGateway

    return HookedGateway(worker.app, host, worker.hello, multithread, worker.hooks)


def _named_by_host(host, scheme):
    """SERVER_NAME and SERVER_PORT for a Unix socket, which has neither: what the client asked for."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdigit():
        name, port = host, ""
    return name.strip("[]") or "localhost", port or ("443" if scheme == "https" else "80")
