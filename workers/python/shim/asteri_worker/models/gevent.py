"""gevent: a monkey-patched process, and a greenlet for every request that waits for something."""
from ..libraries import require


def prepare(hello):
    """Monkey-patches the process before the application is imported. Raises Failure when gevent is missing."""
    require("gevent")
    from gevent import monkey

    monkey.patch_all()


def describe(hello, interface):
    return hello["worker_connections"], "whole"


def run(worker):
    from gevent.event import Event

    from ..greenlets import GreenletHost  # patches must come first

    host = GreenletHost(worker)
    finished = Event()
    host.on_finished = finished.set
    worker.ready()
    host.start()
    finished.wait()
    host.link.finish()
