"""ASGI 3.0: one HTTP request (Cycle), the lifespan protocol, and ASGI 2 applications through an adapter."""
import asyncio
import os
import stat
from asyncio import current_task
from time import monotonic
from urllib.parse import quote, unquote_to_bytes

from .errors import ClientDisconnected, Failure, kind_of, message_of, traceback_of
from .interrupts import RequestTimeout, entry
from .link import (
    DATA, END, FILE, INFORM, MOST_FIELDS, START, TRAILERS, WHOLE_BODY, flat, flat_iterable, frame, plain_headers, start_frame,
    status_code, value_frame, window_frame,
)
from .logs import ERROR, INFO, WARNING, report_departure, report_failure
from .memory import route_of

# Of 2.3, under which send() does nothing once the client has gone; told 2.4, Starlette leaves it to send() to notice that,
# and an event stream that waits for its next event would be held for ever. What 2.4 has is there for those who stream: a
# send() that more is to follow raises OSError, since they would go on for nobody.
VERSIONS = {"version": "3.0", "spec_version": "2.3"}
_PERCENT = ord("%")
EXTENSIONS = {"http.response.pathsend": {}, "http.response.early_hint": {}, "http.response.trailers": {}}


def single(app):
    """An ASGI 2 application (a call with the scope gives a coroutine function) as an ASGI 3 one."""

    @entry
    async def adapter(scope, receive, send):
        await app(scope)(receive, send)

    return adapter


def http_scope(request, root, state, extensions):
    """The scope of one request; `root` is the root path without a slash at its end."""
    _, method, scheme, version, raw_path, query, headers, client, server = request[:9]
    # A number: the search for a byte is several times as fast as that for bytes.
    path = (unquote_to_bytes(raw_path) if _PERCENT in raw_path else raw_path).decode("utf-8", "replace")
    if root and path != root and not path.startswith(root + "/"):
        # A proxy took the root path off: ASGI's path includes it.
        path, raw_path = root + path, quote(root, "/-._~!$&'()*+,;=:@").encode("ascii") + raw_path
    scope = {
        "type": "http",
        "asgi": VERSIONS.copy(),
        "http_version": version,
        "server": server,
        "client": client,
        "scheme": scheme,
        "method": method,
        "root_path": root,
        "path": path,
        "raw_path": raw_path,
        "query_string": query,
        "headers": list(headers),
        "extensions": extensions.copy(),
    }
    if state is not None:
        scope["state"] = state.copy()
    if len(request) > 12:
        scope["extensions"]["tls"] = _tls_extension(request[12])
    return scope


def _tls_extension(told):
    """ASGI's "tls" extension, version 0.2, of a client that has a certificate."""
    version, cipher, chain, name, error = told
    return {
        "server_cert": None,
        "client_cert_chain": chain,
        "client_cert_name": name,
        "client_cert_error": error,
        "tls_version": version,
        "cipher_suite": cipher,
    }


class Cycle:
    """One request: receive, send and the application's task. Everything happens on the event loop."""

    # Class attributes, so that a plain request sets none of them. What it reads is set in __init__: the interpreter
    # finds an attribute of the object much faster than one of its class.
    headers = ()
    trailers = False  # the application announced trailers
    started = False  # START was queued
    left = False  # the client closed its sending side, or altogether
    told = False  # the application knows that
    unheard = False  # and has ended for that: nothing of it is sent
    body_sent = False  # the body is whole; trailers may follow
    trailer_items = ()
    sent = granted = unacknowledged = 0
    task = None

    def __init__(self, server, request):
        self.server = server
        self.stream = request[0]
        self.status = None
        self.answer = None  # the whole response, when it is sent as one answer
        self.plain = True  # it may be: it has not begun, and no trailers were announced
        self.complete = False  # the response is whole
        self.ended = False  # the application's task has ended
        self.lingers = False  # the answer went out while the task ran on
        self.gone = False  # the client left altogether
        self.waiting = ()  # Futures of the calls of receive and send that wait
        body = request[9]
        self.more = body is None  # more of the body will come
        self.body = [body] if body else []
        self.end_untold = True  # receive() has not said yet that the body is complete

    @entry
    async def run(self, app, request, root):
        """The application's task."""
        server = self.server
        if self.task is None:  # it takes its first step, and who makes it has not got it yet
            self.task = current_task(server.loop)
        try:
            server.take(request)
        except ValueError:  # its client has left, or another worker is to run it
            server.forget(self)
            return
        scope = http_scope(request, root, server.state, server.extensions)
        del request  # it would be kept for as long as the call runs
        memory, sample = server.memory, None
        memory.started += 1
        now = monotonic()
        if now > server.flush_due:
            server.flush_late(now)
        if now >= memory.due:
            sample = memory.begin(now, memory.running)
            method, path = scope["method"], scope["raw_path"]
        memory.running += 1
        try:
            await app(scope, self.receive, self.send)
        except BaseException as error:
            # Of whatever kind: SystemExit, raised from a task, would end the event loop and with it other clients' requests,
            # and others would end the task without a word to the front.
            self._failed(error)
        else:
            if not self.complete and not self.gone:
                self._returned()
        self.ended = self.gone = True  # as by _leave(): most calls leave nobody waiting
        if self.waiting:
            self._wake()
        server.ended(self)
        memory.running -= 1
        if sample is not None:
            memory.end(sample, route_of(method, path, scope))

    def _leave(self):
        """The application has returned. Tasks that it has left behind may still call receive and send: nothing of theirs goes
        out on a stream that has ended."""
        self.ended = self.gone = True
        if self.waiting:
            self._wake()

    # receive

    async def receive(self):
        while True:
            if self.body or (self.end_untold and not self.more):
                return self._take_body()
            if (self.left and not self.more) or self.gone or self.complete:
                self.told = self.left or self.gone
                return {"type": "http.disconnect"}
            await self._wait()

    def _take_body(self):
        self.end_untold = self.more
        body = self.body[0] if len(self.body) == 1 else b"".join(self.body)
        self.body = []
        if self.more and not self.ended:
            self.unacknowledged += len(body)
            if self.unacknowledged * 2 >= self.server.body_window:
                self.server.queue(window_frame(self.stream, self.unacknowledged))
                self.unacknowledged = 0
        return {"type": "http.request", "body": body, "more_body": self.more}

    def on_body(self, data, end, broken):
        if data:
            self.body.append(data)
        if broken:
            self.more, self.end_untold, self.gone = False, False, True
            self.body = []
        elif end:
            self.more = False
        self._wake()

    def on_cancel(self, hard):
        self.left = True
        if hard:
            self.gone = True
        self._wake()

    def on_window(self, count):
        self.granted += count
        self._wake()

    def _wait(self):
        """A Future that is done when anything about the stream has changed. One for each caller: an application may have
        several tasks in receive and send, and cancels each on its own, or the same one again and again, as one that polls
        for the client's departure does. Those that were cancelled go when the next one comes."""
        future = self.server.loop.create_future()
        self.waiting = (*[one for one in self.waiting if not one.done()], future)
        return future

    def _wake(self):
        waiting, self.waiting = self.waiting, ()
        for future in waiting:
            if not future.done():
                future.set_result(None)

    # send

    async def send(self, message):
        kind = message["type"]
        if self.gone and kind != "http.response.start":
            if kind == "http.response.body" and message.get("more_body", False) and not self.unheard:
                self.told = True
                raise ClientDisconnected
            return
        if kind == "http.response.body" and self.status is not None and not self.complete:
            body = message.get("body", b"")
            if body.__class__ is not bytes:
                body = bytes(memoryview(body))  # refuses a str, which would be a response of another meaning
            more = message.get("more_body", False)
            if self.plain and not more and len(body) <= WHOLE_BODY:
                self.answer = (self.stream, self.status, self.headers, body)
                self.complete = True
                self.server.answered(self)
                if self.waiting:
                    self._wake()
            else:
                await self._stream(body, not more)
        elif kind == "http.response.start" and self.status is None:
            status = message["status"]
            if status.__class__ is not int or not 100 <= status <= 999:
                status = status_code(status)
            if self.told and status >= 500:
                self._give_up()  # a framework's answer to what its application has raised
            headers = message.get("headers", ())
            self.headers = flat(headers) if headers.__class__ is list else flat_iterable(headers)
            if message.get("trailers", False):
                self.trailers, self.plain = True, False
            self.status = status
        else:
            await self._send_other(kind, message)

    async def _send_other(self, kind, message):
        if kind == "http.response.early_hint" and self.status is None:
            links = [(b"link", link) for link in message.get("links", ())]
            self.server.queue(start_frame(INFORM, self.stream, 103, flat_iterable(links)))
        elif kind == "http.response.pathsend" and self.status is not None and not self.started:
            self._send_path(message["path"])
        elif kind == "http.response.trailers" and self.trailers and self.body_sent:
            self._send_trailers(message)
        else:
            raise RuntimeError("%r is not expected now: %s" % (kind, self._position()))

    def _position(self):
        if self.complete:
            return "the response is complete"
        return "no response has begun" if self.status is None else "the response has begun"

    async def _stream(self, body, last):
        if self.body_sent:
            raise RuntimeError("'http.response.body' is not expected now: the body is complete")
        server = self.server
        if not self.started:
            self._begin()
        ending = last and not self.trailers
        rest = memoryview(body)
        while len(rest):
            room = self.granted - self.sent
            if room <= 0:
                await self._wait()
                if self.gone and last:
                    return
                if self.gone:
                    self.told = True
                    raise ClientDisconnected
                continue
            part, rest = rest[:room], rest[room:]
            self.sent += len(part)
            server.queue(frame(DATA, self.stream, part, END if ending and not len(rest) else 0))
        if last:
            self.body_sent = True
            if ending and not len(body):
                server.queue(frame(DATA, self.stream, b"", END))
            if ending:
                self._complete()

    def _begin(self):
        self.server.queue(start_frame(START, self.stream, self.status, self.headers))
        self.started, self.plain = True, False
        self.granted = self.server.response_window

    def _send_path(self, path):
        descriptor = os.open(path, os.O_RDONLY | getattr(os, "O_CLOEXEC", 0))
        try:
            if not stat.S_ISREG(os.fstat(descriptor).st_mode):
                raise ValueError("http.response.pathsend needs a regular file, not %s" % path)
            self._begin()
            self.server.control.send_descriptor(self.stream, descriptor)
        finally:
            os.close(descriptor)
        self.body_sent = True
        self.server.queue(value_frame(FILE, self.stream, (None, 0, -1), 0 if self.trailers else END))
        if not self.trailers:
            self._complete()

    def _send_trailers(self, message):
        self.trailer_items += flat_iterable(message.get("headers", ()))
        if len(self.trailer_items) > 2 * MOST_FIELDS:
            raise ValueError("more than %d trailer fields" % MOST_FIELDS)
        if not message.get("more_trailers", False):
            try:
                data = value_frame(TRAILERS, self.stream, self.trailer_items)
            except ValueError:
                data = value_frame(TRAILERS, self.stream, plain_headers(self.trailer_items))
            self.server.queue(data)
            self._complete()

    def _complete(self):
        self.complete = True
        self._wake()

    # endings

    def _failed(self, error):
        self.server.returned(error)
        if isinstance(error, RequestTimeout) and not (self.gone or self.complete):
            self._give_up()  # the front has answered, and has said why
        elif self.told and not self.complete:
            if not is_departure(error):
                self.server.log(WARNING, "the application failed after its client had left", self.stream, error=error)
            if not self.gone:
                self._give_up()
        elif self.gone:
            if not is_departure(error):
                self.server.log(ERROR, "the application failed", self.stream, error=error)
        elif self.complete:
            self.server.log(ERROR, "the application failed after its response was complete", self.stream, error=error)
        else:
            self._end_badly(message_of(error), traceback_of(error))

    def _returned(self):
        """The application returned without all of a response."""
        if self.told:
            self._give_up()
        else:
            self._end_badly("the application returned %s" % (
                "without a response" if self.status is None else "before its response was complete"))

    def _give_up(self):
        self.gone = self.unheard = True
        report_departure(self.server.queue, self.stream)

    def _end_badly(self, message, traceback=""):
        report_failure(self.server.queue, self.stream, self.started, message, traceback)


def is_departure(error):
    """Whether error is what ends code whose client has left: an OSError, a cancellation or a time-out, or a group of
    them."""
    inner = getattr(error, "exceptions", None)  # of a group; there is no such class before Python 3.11
    if isinstance(inner, tuple):
        return all(is_departure(one) for one in inner)
    return isinstance(error, (OSError, asyncio.CancelledError, RequestTimeout))


class Lifespan:
    """The lifespan protocol: startup before READY, shutdown after the last request."""

    def __init__(self, app, mode, log):
        self._app = app
        self._mode = mode
        self._log = log
        self._events = None
        self._task = None
        self._answer = None
        self.supported = False
        self.state = {}

    async def startup(self):
        """Raises Failure if the application failed to start, or has no lifespan and the mode is "on"."""
        if self._mode == "off":
            return
        self._events = asyncio.Queue()
        scope = {"type": "lifespan", "asgi": VERSIONS.copy(), "state": self.state}
        self._task = asyncio.ensure_future(self._run(scope))
        kind, text = await self._exchange("startup", None)
        if kind == "complete":
            self.supported = True
        elif kind == "failed":
            raise Failure("startup", "the application's lifespan startup failed: %s" % (text or "it gave no reason"))
        elif getattr(self._error(), "wrong_guess", False):
            raise self._error()  # it has no interface that is known, rather than no lifespan
        elif self._mode == "on":
            error = self._error()
            raise Failure("startup", "the application has no working lifespan: %s" % text, "use --lifespan auto",
                          kind_of(error), traceback_of(error) if error else "")
        else:
            self._log(INFO, "the application has no lifespan (%s)" % text)

    async def _run(self, scope):
        await self._app(scope, self._events.get, self._send)  # here, since the call itself may raise

    async def shutdown(self, timeout):
        if not self.supported or self._returned():
            return
        kind, text = await self._exchange("shutdown", timeout)
        if kind == "failed":
            self._log(ERROR, "the application's lifespan shutdown failed: %s" % text)
        elif kind != "complete" and not self._returned():
            error = self._error()
            self._log(ERROR, "the application's lifespan ended without an answer to shutdown"
                      + ("" if error else ": " + text), error=error)

    async def _exchange(self, event, timeout):
        """Sends an event and waits for its answer: ("complete" or "failed", message), or ("ended", why) without one."""
        self._answer = asyncio.get_running_loop().create_future()
        self._events.put_nowait({"type": "lifespan." + event})
        await asyncio.wait([self._answer, self._task], timeout=timeout, return_when=asyncio.FIRST_COMPLETED)
        if self._answer.done():
            kind, text = self._answer.result()
            if kind.startswith(event):
                return kind.rpartition(".")[2], text
            return "failed", "it answered lifespan.%s" % kind
        if not self._task.done():
            return "ended", "no answer in time"
        error = self._error()
        return "ended", message_of(error) if error else "it returned"

    def _returned(self):
        """Whether the application has left its lifespan in peace: it has nothing to do at the end, or has done it."""
        return self._task.done() and not self._task.cancelled() and self._task.exception() is None

    def _error(self):
        if self._task.done() and not self._task.cancelled():
            return self._task.exception()
        return None

    async def _send(self, message):
        kind = message["type"]
        if not kind.startswith("lifespan."):
            raise RuntimeError("%r is not expected in a lifespan scope" % kind)
        if not self._answer.done():
            self._answer.set_result((kind[len("lifespan."):], message.get("message", "")))
