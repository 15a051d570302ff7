"""tornado: Tornado's IOLoop (asyncio). A native Application, or WSGI calls one at a time on the loop itself."""
import asyncio

from .. import loader
from ..errors import LinkClosed
from ..libraries import require, require_loop
from .sync import Sync


def prepare(hello):
    """Raises Failure when a library is missing."""
    require("tornado")
    require_loop(hello["loop"])


def describe(hello, interface):
    return (1, "whole") if interface == loader.WSGI else (hello["worker_connections"], "stream")


def new_loop(hello):
    from .. import loops

    return loops.new_loop("asyncio" if hello["loop"] == "auto" else hello["loop"])  # as Tornado itself: uvloop only if asked for


def run(worker):
    from .. import loops

    loop = worker.loop
    if worker.interface == loader.WSGI:
        loops.run(loop, _serve_wsgi(worker, loop))
        return
    from .. import tornado_server

    try:
        loops.run(loop, tornado_server.serve(tornado_server.TornadoServer, worker, loop))
    finally:
        if worker.link is not None:
            worker.link.finish()


async def _serve_wsgi(worker, loop):
    from tornado.ioloop import IOLoop

    IOLoop.current()  # for applications that add callbacks to it
    host = InlineWSGI(worker, loop)
    worker.ready()
    await host.serve_on_loop()


class InlineWSGI(Sync):
    """WSGIContainer's semantics: a call runs on the loop and stops it until it returns."""

    def __init__(self, worker, loop):
        super().__init__(worker)
        self._loop = loop
        self._ended = loop.create_future()

    async def serve_on_loop(self):
        self.start_watch()
        self._loop.add_reader(self.link.sock.fileno(), self._on_readable)
        try:
            await self._ended
        finally:
            self._loop.remove_reader(self.link.sock.fileno())

    def _on_readable(self):
        try:
            self.read()
        except (LinkClosed, OSError):
            self.closing = True
        # What a WSGI application does is not a coroutine's doing: with a running loop in sight Django would refuse to touch
        # its database, and asyncio.run would fail.
        loop = asyncio._get_running_loop()
        asyncio._set_running_loop(None)
        try:
            self.run_waiting()
        finally:
            asyncio._set_running_loop(loop)
        if self.closing and not self._ended.done():
            self._ended.set_result(None)
