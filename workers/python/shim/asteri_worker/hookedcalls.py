"""pre_request and post_request around the calls of an application. Imported where a conf file has one of them."""
from http import HTTPStatus

from .hookobjects import Request, Response, environ_of
from .interrupts import entry
from .output import about
from .wsgi import Gateway


def text(value):
    return value if isinstance(value, str) else bytes(value).decode("latin-1")


def _pairs(flat_headers):
    return [(text(name), text(value)) for name, value in flat_headers]


class Around:
    """The two hooks, for one worker."""

    def __init__(self, hooks):
        self._hooks = hooks

    @entry
    def before(self, request):
        """Raises what the hook raises: the request fails, as it does under gunicorn."""
        self._hooks.worker.nr += 1
        if self._hooks.pre_request is not None:
            self._hooks.pre_request(self._hooks.worker, request)

    @entry
    def after(self, request, environ, response):
        if self._hooks.post_request is not None:
            try:
                self._hooks.post_request(self._hooks.worker, request, environ, response)
            except BaseException as error:
                self._hooks.failed("post_request", error)


class HookedGateway(Gateway):
    """Calls a WSGI application between the hooks."""

    def __init__(self, app, host, hello, multithread, hooks):
        super().__init__(app, host, hello, multithread)
        self._app = self._measure
        self._application = app
        self._around = Around(hooks)
        self._told = {}  # stream -> (req, environ, response) of calls that run
        self._sizes = {}  # stream -> bytes of a response that is returned whole

    def _measure(self, environ, start_response):
        result = self._application(environ, start_response)
        if type(result) in (list, tuple):
            self._sizes[start_response.__self__.stream] = sum(map(len, result))
        return result

    def _environ(self, request, response):
        environ = super()._environ(request, response)
        _, method, scheme, version, path, query, headers, client = request[:8]
        told = Request(method, path.decode("latin-1"), query, version, scheme, client or "", lambda: _of_environ(headers))
        self._around.before(told)
        self._told[response.stream] = told, environ, response
        changed = told.changed()
        if changed is not None:
            for name, _ in changed[0]:
                environ.pop(_key(name), None)
            for name, value in changed[1]:
                key = _key(name)
                environ[key] = environ[key] + "," + value if key in environ else value
        return environ

    def call(self, request, tail):
        super().call(request, tail)
        stream = request[0]
        told, size = self._told.pop(stream, None), self._sizes.pop(stream, 0)
        if told is not None:
            self._host.flush()  # the client need not wait for what follows
            about(request[6])
            req, environ, response = told
            headers = _pairs(response.headers)
            status = response.status
            if isinstance(status, int):
                status = _LINES.get(status, "%d " % status)
            self._around.after(req, environ, Response(req, status, headers, response.sent or size))
            about(())


_LINES = {one.value: "%d %s" % (one.value, one.phrase) for one in HTTPStatus}


def _of_environ(headers):
    """The fields of a request as WSGI's keys have them, by the names that gunicorn has."""
    return [(key[5:].replace("_", "-") if key.startswith("HTTP_") else key.replace("_", "-"), value)
            for key, value in headers.items() if key.startswith("HTTP_") or key in ("CONTENT_TYPE", "CONTENT_LENGTH")]


def _key(name):
    key = name.replace("-", "_")
    return key if key in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + key


def around_asgi(app, hooks):
    """An ASGI application between the hooks, for its HTTP requests: gunicorn calls them for no others."""
    around = Around(hooks)

    @entry
    async def hooked(scope, receive, send):
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        fields = scope["headers"]
        request = Request(scope["method"], scope["path"], scope["query_string"].decode("latin-1"), scope["http_version"], scope["scheme"],
                          scope["client"], lambda: [(name.decode("latin-1").upper(), value.decode("latin-1")) for name, value in fields])
        around.before(request)
        changed = request.changed()
        if changed is not None:
            scope["headers"] = [(name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in changed[1]]
        seen = {"status": None, "headers": (), "sent": 0}

        async def note(message):
            kind = message["type"]
            if kind == "http.response.start":
                seen["status"], seen["headers"] = message["status"], list(message.get("headers", ()))
            elif kind == "http.response.body":
                seen["sent"] += len(message.get("body", b""))
            await send(message)

        try:
            await app(scope, receive, note)
        finally:
            around.after(request, environ_of(request), Response(request, seen["status"], _pairs(seen["headers"]), seen["sent"]))

    return hooked


def hooked_connection(connection_class, hooks):
    """A class of connections for native Tornado applications, for which gunicorn has no such hooks."""
    around = Around(hooks)

    class HookedConnection(connection_class):
        _told = None
        _seen = (None, ())
        _size = 0

        def _give_request(self, request):
            _, method, scheme, version, path, query, headers, client, *rest = request
            query = query.decode("latin-1") if isinstance(query, bytes) else query
            told = Request(method, path.decode("latin-1"), query, version, scheme, client,
                           lambda: [(text(name).upper(), text(value)) for name, value in headers])
            try:
                around.before(told)
            except BaseException as error:
                self.refuse(error)
                return
            self._told = told
            changed = told.changed()
            if changed is not None:
                headers = tuple((name.lower().encode("latin-1"), value.encode("latin-1")) for name, value in changed[1])
                request = (*request[:6], headers, *request[7:])
            super()._give_request(request)

        def write_headers(self, start_line, headers, chunk=None):
            self._seen = getattr(start_line, "code", None), _pairs(headers.get_all())
            self._size += len(chunk or b"")
            return super().write_headers(start_line, headers, chunk)

        def write(self, chunk):
            self._size += len(chunk)
            return super().write(chunk)

        def finish(self):
            super().finish()
            if self.ended:
                self._after_soon()

        def _end(self):
            super()._end()
            self._after_soon()

        def _after_soon(self):
            self.server.loop.call_soon(self._after)  # behind what sends the answer: the client need not wait for it

        def _after(self):
            told, self._told = self._told, None
            if told is not None:
                status, headers = self._seen
                around.after(told, environ_of(told), Response(told, status, headers, self._size))

    return HookedConnection
