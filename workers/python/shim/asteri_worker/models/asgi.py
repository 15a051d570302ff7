"""asgi: ASGI 3.0 on asyncio, a task a request. A WSGI application runs on a pool of threads beside the loop."""
import asyncio
import threading
from _thread import get_ident
from functools import partial
from queue import SimpleQueue
from time import monotonic

from .. import loader, loops
from ..asgi import EXTENSIONS, Cycle, Lifespan, single
from ..asgi_websocket import EXTENSIONS as SOCKET_EXTENSIONS
from ..asgi_websocket import Messages, Socket, deliver
from ..errors import LinkClosed
from ..host import ThreadHost
from ..libraries import require_loop
from ..link import ThreadsLoopLink
from ..output import about
from ..wsgi import gateway_of

_WSGI_THREADS = 10  # the pool for a WSGI application when --threads was not raised


def prepare(hello):
    """Raises Failure when a library is missing."""
    require_loop(hello["loop"])


def describe(hello, interface):
    if interface == loader.WSGI:
        return hello["threads"] if hello["threads"] > 1 else _WSGI_THREADS, "whole"
    return hello["worker_connections"], "stream"


def new_loop(hello):
    return loops.new_loop(hello["loop"])


def run(worker):
    loop = worker.loop
    serve = _serve_wsgi if worker.interface == loader.WSGI else _serve_asgi
    try:
        loops.run(loop, serve(worker, loop))
    finally:
        if worker.link is not None:
            worker.link.finish()


async def _serve_asgi(worker, loop):
    app = worker.app if loader.is_single_callable(worker.app) else single(worker.app)
    if worker.hooks is not None and worker.hooks.of_requests:
        from ..hookedcalls import around_asgi

        app = around_asgi(app, worker.hooks)
    server = Server(worker, loop, app)
    lifespan = Lifespan(app, worker.hello["lifespan"], worker.log)
    await lifespan.startup()
    if lifespan.supported:
        server.state = lifespan.state
    worker.ready(lifespan.supported)
    await server.serve()
    await lifespan.shutdown(worker.hello["graceful_timeout"])


class Server(loops.LoopServer):
    begins_later = not loops.EAGER
    begins_eagerly = loops.EAGER

    def __init__(self, worker, loop, app):
        super().__init__(worker, loop)
        self._app = app
        self._root = worker.hello["root_path"].rstrip("/")
        self._create_task = loop.create_task
        self._create_eagerly = partial(asyncio.Task, loop=loop, eager_start=True)
        self.state = None
        self._draining = asyncio.Event()
        drain = {"asteri.drain": {"event": self._draining}}
        self.extensions, self.socket_extensions = {**EXTENSIONS, **drain}, {**SOCKET_EXTENSIONS, **drain}
        self.messages = Messages(self.link)

    def _begin_batch(self, batch):
        if self.begins_eagerly:  # most calls need no step but their first
            self._create_task = self._create_eagerly if self.loop.get_task_factory() is None else self.loop.create_task
        super()._begin_batch(batch)

    def begin(self, request):
        stream = request[0]
        root = self._root
        if len(request) > 11:  # that of a trusted proxy goes before that of the settings
            root = request[11].decode("utf-8", "replace") or root
        about(request[6])  # the task begins with this context
        if request[2][0] == "w":
            cycle = self.cycles[stream] = Socket(self, request)
            if stream in self.intake.leaving:
                cycle.on_cancel(False)
        else:
            cycle = self.cycles[stream] = Cycle(self, request)
            if stream in self.intake.leaving:
                cycle.left = True
        cycle.task = self._create_task(cycle.run(self._app, request, root))

    def on_messages(self, payload):
        deliver(self.cycles, payload)

    def on_drain(self):
        self._draining.set()

    def _flush(self):
        self.messages.seal()
        super()._flush()


async def _serve_wsgi(worker, loop):
    pool = ThreadPool(worker, loop)
    worker.ready()
    await pool.serve()


class ThreadPool(ThreadHost):
    """WSGI calls on threads; the loop owns the link and does nothing else."""

    def __init__(self, worker, loop):
        self._loop = loop
        self._descriptor = worker.sock.fileno()
        self._flushing = False
        super().__init__(worker, worker.attach(ThreadsLoopLink(worker.sock, self._want_write, self._nudge)))
        self.flush = self._nudge  # calls flush from their threads
        size = worker.capacity
        self.gateway = gateway_of(worker, self, multithread=size > 1)
        self._streams = {}  # thread identifier -> the stream that it runs
        self._turns = SimpleQueue()  # one True for each waiting request, then one False for each thread
        self._ended = loop.create_future()
        self._threads = [threading.Thread(target=self._run, name="wsgi-%d" % (n + 1), daemon=True) for n in range(size)]
        self._left = size

    def abandon(self):
        super().abandon()
        self._call_from_thread = lambda *_: None  # the loop is its parent's: waking it would wake that one

    async def serve(self):
        for thread in self._threads:
            thread.start()
        self._loop.add_reader(self._descriptor, self._on_readable)
        try:
            await self._ended
        finally:
            self._loop.remove_reader(self._descriptor)

    def _on_readable(self):
        known = len(self.intake.waiting)
        try:
            self.read()
        except BlockingIOError:
            return
        except (LinkClosed, OSError):
            self.closing = True
            self._loop.remove_reader(self._descriptor)
        # At least one turn for each new request: a thread whose turn finds none waiting goes on to the next.
        for _ in range(max(len(self.intake.waiting) - known, 0) + 1):
            self._turns.put(True)
        if self.closing and self._threads:
            self._threads.clear()
            for _ in range(self._left):
                self._turns.put(False)

    def _run(self):
        waiting, call, streams, ident = self.intake.waiting, self.call, self._streams, get_ident()
        while self._turns.get():
            while waiting:
                try:
                    request = waiting.popleft()
                except IndexError:
                    break
                streams[ident] = request[0]
                call(request, [], monotonic())
                del streams[ident]
                self._nudge()
        self._call_from_thread(self._thread_ended)

    def thread_of(self, stream):
        return next((ident for ident, one in list(self._streams.items()) if one == stream), 0)

    def held(self, response):
        self._call_from_thread(self._linger, response.tail)

    def _linger(self, tail):
        self.link.linger(tail)
        self.link.flush()

    def _thread_ended(self):
        self._left -= 1
        if not self._left and not self._ended.done():
            self._ended.set_result(None)

    def _nudge(self):
        if not self._flushing:
            self._flushing = True
            self._call_from_thread(self._flush)

    def _flush(self):
        self._flushing = False
        self.link.flush()

    def _call_from_thread(self, function, *args):
        try:
            self._loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop has been closed

    def _want_write(self, wanted):
        if wanted:
            self._loop.add_writer(self._descriptor, self.link.on_writable)
        else:
            self._loop.remove_writer(self._descriptor)
