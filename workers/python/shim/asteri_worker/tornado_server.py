"""The models that run native Tornado applications: their server, and what Tornado does otherwise under it."""
import asyncio
from contextvars import copy_context
from time import monotonic

from tornado import web

from .interrupts import entry
from .loops import LoopServer
from .memory import route_of
from .output import about
from .tornado_app import Connection


class TornadoServer(LoopServer):
    """Serves a native Tornado application."""

    def __init__(self, worker, loop):
        super().__init__(worker, loop)
        self.app = worker.app
        self._root = worker.hello["root_path"].rstrip("/").encode("utf-8")
        self._context = copy_context()
        self._connection = Connection
        if worker.hooks is not None and worker.hooks.of_requests:
            from .hookedcalls import hooked_connection

            self._connection = hooked_connection(Connection, worker.hooks)
        self._opening = []  # connections that hold a head back until the end of the iteration

    def begin(self, request):
        root, taken = self._root, request
        if len(request) > 11:  # that of a trusted proxy goes before that of the settings
            request, root = request[:11], request[11] or root
        connection = self._connection(self, request, root)
        self.cycles[connection.stream] = connection
        self.memory.started += 1
        now = monotonic()
        if now >= self.memory.due:
            connection.measured = self.memory.begin(now, len(self.cycles) - 1), request[1], request[4]
        connection.leaving = connection.stream in self.intake.leaving
        # A context of its own: what a handler's initialize() sets must not reach the next request.
        context = self._context.copy()
        context.run(about, request[6])
        self.start(connection, context, taken)

    def start(self, connection, context, request):
        context.run(connection.begin)

    def claim(self, connection):
        """Takes the request of a connection that has not begun from those that may be given back. False if it is not to run:
        its client has left, or another worker gets it, and whoever took it from there tells the front."""
        if connection.waits is not None:
            try:
                self.take(connection.waits)
            except ValueError:
                return False
            connection.waits = None
        return True

    def ended(self, cycle):
        super().ended(cycle)
        if cycle.measured is not None:
            sample, method, path = cycle.measured
            self.memory.end(sample, route_of(method, path))

    def tasks(self):
        found = super().tasks()
        for task in asyncio.all_tasks(self.loop):
            stream = stream_of(getattr(task.get_coro(), "cr_frame", None))
            if stream:
                found[stream] = task
        return found

    def current(self, frame):
        while frame is not None:
            if stream_of(frame):
                return stream_of(frame)
            if frame.f_code in _PARTS:
                return frame.f_locals["self"].stream
            frame = frame.f_back
        return 0

    def hold(self, connection):
        self._opening.append(connection)
        self.flush_soon()

    def _flush(self):
        opening, self._opening = self._opening, []
        for connection in opening:
            connection.open()
        super()._flush()


_PARTS = {one.__code__ for one in (Connection._give_request, Connection._feed, Connection._give)}


def stream_of(frame):
    """The stream whose handler runs in a coroutine's frame, or 0."""
    if frame is None or frame.f_code is not _execute.__code__:
        return 0
    return getattr(frame.f_locals["self"].request.connection, "stream", 0)


async def serve(server_class, worker, loop):
    """Announces READY and serves until SHUTDOWN."""
    abort_truncated_responses()
    keep_exits()
    server = server_class(worker, loop)
    worker.ready()
    await server.serve()


def abort_truncated_responses():
    """RequestHandler.send_error after the headers were sent ends the response as if it were whole. Through the link it
    ends in a reset, so that nobody takes a truncated body for a complete one."""
    send_error = web.RequestHandler.send_error

    def send_error_or_abort(self, status_code=500, **kwargs):
        if self._headers_written and isinstance(self.request.connection, Connection):
            self.request.connection.broken = "the handler failed after its response had begun"
        send_error(self, status_code, **kwargs)

    web.RequestHandler.send_error = send_error_or_abort


_execute = web.RequestHandler._execute  # what runs a handler


def keep_exits():
    """SystemExit and its like, which Tornado leaves alone, would end the event loop, and with it other clients' requests, or
    the handler's task without a word."""
    global _execute
    execute = web.RequestHandler._execute

    @entry
    async def _execute(self, *args, **kwargs):
        try:
            await execute(self, *args, **kwargs)
        except BaseException as error:
            if not isinstance(self.request.connection, Connection):
                raise
            self.request.connection.refuse(error)

    web.RequestHandler._execute = _execute
