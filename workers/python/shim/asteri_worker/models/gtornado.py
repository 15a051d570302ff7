"""gtornado: Tornado's IOLoop in a gevent-patched process. WSGI calls and what runs on the loop (handlers, coroutines or not,
and every other callback) run in greenlets, so what waits cooperatively in one of them stops neither the loop nor the others."""
from .. import loader
from ..libraries import require
from . import gevent


def prepare(hello):
    """Monkey-patches the process before the application is imported. Raises Failure for a missing library."""
    require("tornado", "gevent")
    from .. import greenhub

    greenhub.install()
    gevent.prepare(hello)


def describe(hello, interface):
    return hello["worker_connections"], "whole" if interface == loader.WSGI else "stream"


def new_loop(_hello):
    from .. import greenloop  # patches must come first

    return greenloop.GreenLoop()


def run(worker):
    from .. import greenloop, loops, tornado_server

    loop = worker.loop
    if worker.interface == loader.WSGI:
        serving = _serve_wsgi(worker, loop)
    else:
        serving = tornado_server.serve(greenloop.GreenServer, worker, loop)
    try:
        loops.run(loop, serving)
    finally:
        if worker.link is not None:
            worker.link.finish()


async def _serve_wsgi(worker, loop):
    """The hub reads the link and runs the calls; the IOLoop runs beside them, for what applications give it."""
    from tornado.ioloop import IOLoop

    from ..greenlets import GreenletHost

    IOLoop.current()
    host = GreenletHost(worker)
    ended = loop.create_future()
    host.on_finished = lambda: ended.done() or ended.set_result(None)
    worker.ready()
    host.start()
    await ended
