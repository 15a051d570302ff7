"""gevent: a monkey-patched process, and a greenlet for every request that waits for something."""
import sys

from ..errors import Failure


def prepare(hello):
    """Monkey-patches the process before the application is imported. Raises Failure when gevent is missing."""
    require()
    from gevent import monkey

    monkey.patch_all()


def require():
    try:
        import gevent  # noqa: F401
    except ImportError as error:
        raise Failure("library", "gevent is not installed in this Python (%s)" % sys.executable, "pip install gevent",
                      type(error).__name__) from None


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
