"""Native Tornado applications: an HTTPConnection whose other side is the link.

Tornado's own HTTP/1 code is not used. What it would do between a socket and `Application` (its documented httputil
interfaces HTTPServerConnectionDelegate, HTTPMessageDelegate and HTTPConnection) is done here.
"""
import asyncio
from collections import deque
from urllib.parse import unquote_to_bytes

from tornado import httputil, iostream

from .errors import message_of, traceback_of
from .interrupts import entry
from .link import DATA, DONE, END, INFORM, START, WHOLE_BODY, flat, frame, start_frame, status_code, status_of, window_frame
from .logs import ERROR, report_failure
from .tornado_stream import Loan


class Context:
    """The attributes of a connection that HTTPServerRequest and access logs look at."""

    def __init__(self, client, scheme):
        self.address = client
        self.remote_ip = client[0] if client is not None and client[1] is not None else "0.0.0.0"
        self.protocol = scheme

    def __str__(self):
        return self.remote_ip


class Connection(httputil.HTTPConnection):
    """One request and its response, on the event loop."""

    answer = None  # the whole response, when it is sent as one answer
    ended = lingers = False
    started = False  # START was queued
    finished = False  # the response is whole
    gone = False  # the client left
    leaving = False  # it closed its sending side before the application was given the request
    measured = None  # its memory, from where on; see LoopServer.memory
    broken = None  # why the response must not end cleanly
    delegate = None
    task = None
    waits = None  # the request, while it may still be given back
    _held = None  # (status, headers, body): a head that may still become a whole answer
    _loan = None  # of the client's socket, for a request that offers an upgrade
    _switched = _detached = False  # 101 was written on it; the application has it
    _close_callback = None
    _sent = _granted = 0
    no_keep_alive = False
    _most_body = float("inf")  # bytes that the handler takes
    _received = 0

    def __init__(self, server, request, root):
        stream, _, scheme, _, _, _, _, client, _, body, _ = request
        self.server = server
        self.stream = stream
        self.context = Context(client, scheme)
        self._request = request
        self._root = root
        self._more = body is None  # more of the request body will come
        self._pieces = deque()  # of the body, not yet given to the delegate
        self._piece_came = None  # the Future that the feeding task waits on
        self._pending = deque()  # (rest of a chunk, Future) that wait for the window

    # The request.

    def begin(self):
        """Gives the request to the application."""
        request, self._request = self._request, None
        if self.gone:
            self.server.control.discard(self.stream)
            return
        self._give_request(request)
        if self.leaving:
            self.on_cancel(False)

    @entry
    def _give_request(self, request):
        _, method, _, version, path, query, headers, client, server, body, _ = request
        if self._root:
            path = _below(self._root, path)  # the application's rules know nothing of where it is mounted
        uri = path.decode("latin-1")
        if query:
            uri += "?" + query.decode("latin-1")
        fields = httputil.HTTPHeaders()
        try:
            if body is True:
                self._loan, body = Loan(self.server.control, self.stream, client, server), b""
            for name, value in headers:
                fields.add(name.decode("latin-1"), value.decode("latin-1"))
            self.delegate = self.server.app.start_request(self.server, self)
            prepared = self.delegate.headers_received(httputil.RequestStartLine(method, uri, "HTTP/" + version), fields)
            if prepared is None and not (self._more or self._pieces):
                if body:
                    prepared = self._give(body)
                if prepared is None:
                    self.delegate.finish()
                    return
                body = b""
        except BaseException as error:
            self.refuse(error)
            return
        if body:
            self._pieces.append(body)
        self.task = asyncio.ensure_future(self._feed(prepared))

    @entry
    async def _feed(self, prepared):
        """Gives the body to a handler that takes it piece by piece."""
        unacknowledged, window = 0, self.server.body_window
        try:
            if prepared is not None:
                await prepared
            while self._pieces or self._more and not self.ended:
                if not self._pieces:
                    self._piece_came = self.server.loop.create_future()
                    await self._piece_came
                    continue
                piece = self._pieces.popleft()
                if not self.finished:
                    accepted = self._give(piece)
                    if accepted is not None:
                        await accepted
                unacknowledged += len(piece)
                if self._more and not self.ended and unacknowledged * 2 >= window:
                    self.server.queue(window_frame(self.stream, unacknowledged))
                    unacknowledged = 0
            if not (self.finished or self.gone):
                self.delegate.finish()
        except BaseException as error:
            self.refuse(error)

    @entry
    def _give(self, piece):
        self._received += len(piece)
        if self._received > self._most_body:
            raise httputil.HTTPInputError("the body is longer than the handler takes")
        return self.delegate.data_received(piece)

    def set_max_body_size(self, size):
        """As on Tornado's own connections: for handlers with stream_request_body, which call it in prepare()."""
        self._most_body = size

    def set_body_timeout(self, timeout):
        """As on Tornado's own connections; here the server times bodies, and no handler can give a client longer."""

    def on_body(self, data, end, broken):
        if data:
            self._pieces.append(data)
        if broken:
            self.on_cancel(True)
        elif end:
            self._more = False
        self._wake_feeder()

    def _wake_feeder(self):
        came, self._piece_came = self._piece_came, None
        if came is not None and not came.done():
            came.set_result(None)

    def refuse(self, error):
        """The request did not reach a handler, or its body did not, or the handler was left in a way that is not its
        request's affair only."""
        self.server.returned(error)
        if self.ended:
            return
        if self.finished:  # it is whole, although not all of it may have gone out
            self.server.log(ERROR, "after the response was complete: " + traceback_of(error), self.stream)
        elif isinstance(error, httputil.HTTPInputError) and not self.started:
            self._held = (400, ("Content-Type", "text/plain"), b"Bad Request")
            self.finish()
        elif not (self.gone and isinstance(error, iostream.StreamClosedError)):
            self._end_badly(message_of(error), traceback_of(error))

    def set_close_callback(self, callback):
        self._close_callback = callback

    def on_cancel(self, hard):
        """The client left; after a soft cancel it still reads what comes."""
        if self.finished:
            if hard and self._pending and not self.ended:  # it waits for a window that nobody opens any more
                self.gone = True
                self._fail_pending()
                self._end()
            return
        if hard:
            if not self.server.claim(self):
                return
            self.gone = True
        elif self._request is not None:
            self.leaving = True
            return
        callback, self._close_callback = self._close_callback, None
        try:
            if hard and self._more and self.delegate is not None:
                self.delegate.on_connection_close()
            elif callback is not None:
                callback()
        except Exception as error:
            self.server.log(ERROR, "the application failed after its client had left", self.stream, error=error)
        if hard:
            self._more = False
            self._pieces.clear()
            self._fail_pending()
            self._wake_feeder()
            self._end()

    # The response: httputil.HTTPConnection.

    def write_headers(self, start_line, headers, chunk=None):
        if self.gone or self.finished:
            return _failed(self.server.loop.create_future())
        if isinstance(start_line, httputil.RequestStartLine):
            raise ValueError("a server does not send requests")
        items, code = flat(list(headers.get_all())), status_code(start_line.code)
        if code == 101:
            if self._loan is None:
                raise _no_upgrade()
            self._switched = True
            return self._loan.write_head(start_line, headers)
        if code < 200:
            if not self.started:  # else it comes too late for anybody
                self.server.queue(start_frame(INFORM, self.stream, code, items))
            return self._resolved()
        self._held = (_status(code, start_line.reason), items, bytes(chunk or b""))
        self.server.hold(self)
        return self._resolved() if len(self._held[2]) <= self.server.response_window else self.open()

    def write(self, chunk):
        if self.gone or self.finished:
            return _failed(self.server.loop.create_future())
        self.open()
        return self._send(chunk)

    def finish(self):
        if self._loan is not None:
            self.server.loop.call_soon(self._give_back)  # a handler that detaches does it next
        if self.finished or self.gone:
            return
        self.finished = True
        self._close_callback = None
        if self._switched:
            return
        held, self._held = self._held, None
        if self.broken is not None:
            self._end_badly(self.broken)
        elif held is not None and len(held[2]) <= WHOLE_BODY:
            self.answer = (self.stream, *held)
            self.ended = True
            self.server.answered(self)
            self.server.ended(self)
        else:
            if held is not None:
                self._held = held
                self.open()
            if not (self._pending or self.ended):
                self._send_end()

    def open(self):
        """Begins to stream a response whose head was held back. Returns the Future of its first chunk."""
        held, self._held = self._held, None
        if held is None or self.gone:
            return None
        try:
            data = start_frame(START, self.stream, held[0], held[1])
        except ValueError as error:  # more than a frame may have
            self._end_badly(message_of(error), traceback_of(error))
            return _failed(self.server.loop.create_future())
        self.server.queue(data)
        self.started = True
        self._granted = self.server.response_window
        return self._send(held[2])

    def detach(self):
        """The connection as a stream, for a handler of a request that offers an upgrade. It has answered with 101 before,
        or writes its answer itself."""
        if self._loan is None:
            error = _no_upgrade()
            if not self.finished:
                self._end_badly(message_of(error))  # the handler cannot: it counts as finished
            raise error
        stream = self._loan.detach(self._stream_closed)
        if not (self.ended or self._detached):
            self.finished = True
            self._fail_pending()
            self.server.queue(frame(DONE, self.stream))
        self._detached = True
        return stream

    def _stream_closed(self):
        if not self.ended:
            self.ended = True
            self.server.forget(self)

    def _give_back(self):
        """Closes the client's socket if the handler has not detached it."""
        if not self._detached:
            self._loan.close()
            if self._switched:
                self._end()

    def _resolved(self):
        future = self.server.loop.create_future()
        future.set_result(None)
        return future

    def _send(self, chunk):
        if not chunk:
            return self._resolved()
        future = self.server.loop.create_future()
        self._pending.append((memoryview(chunk), future))
        self._pump()
        return future

    def on_window(self, count):
        if self._detached:
            return  # DONE was sent, and this had been on its way
        self._granted += count
        self._pump()
        if self.finished and not self._pending and not self.ended:
            self._send_end()

    def _pump(self):
        """Sends what the window allows."""
        while self._pending:
            rest, future = self._pending[0]
            room = self._granted - self._sent
            if room <= 0:
                return
            part, rest = rest[:room], rest[room:]
            self._sent += len(part)
            self.server.queue(frame(DATA, self.stream, part))
            if len(rest):
                self._pending[0] = (rest, future)
                return
            self._pending.popleft()
            if not future.done():
                future.set_result(None)

    def _send_end(self):
        self.server.queue(frame(DATA, self.stream, b"", END))
        self._end()

    def _end_badly(self, message, traceback=""):
        self.finished, self._held = True, None
        self._fail_pending()
        report_failure(self.server.queue, self.stream, self.started, message, traceback)
        self._end()

    def _fail_pending(self):
        while self._pending:
            _, future = self._pending.popleft()
            if not future.done():
                _failed(future)

    def _end(self):
        if not self.ended:
            self.ended = True
            self.server.ended(self)
            if self._loan is not None:
                self.server.loop.call_soon(self._give_back)


def _no_upgrade():
    return NotImplementedError("only the connection of a request that offers an upgrade can be taken over")


def _below(root, path):
    """The rest of path, which is still encoded, behind root, which is not; or path, if it is not below root."""
    depth = root.count(b"/")
    parts = path.split(b"/", depth + 1)
    if len(parts) <= depth or unquote_to_bytes(b"/".join(parts[:depth + 1])) != root:
        return path
    return b"/" + b"".join(parts[depth + 1:])


def _status(code, reason):
    """What goes over the link; the usual reason need not."""
    return code if reason == httputil.responses.get(code) else status_of(code, reason)


def _failed(future):
    future.set_exception(iostream.StreamClosedError())
    future.exception()  # many handlers do not look at the Future of a write: that is no error to report
    return future
