"""gevent: a monkey-patched process, and a greenlet for every request that waits for something."""
import sys

from ..errors import Failure


def prepare(hello):
    """Monkey-patches the process before the application is imported. Raises Failure when gevent is missing."""
    try:
        from gevent import monkey
    except ImportError as error:
        raise Failure("library", "gevent is not installed in this Python (%s)" % sys.executable, "pip install gevent",
                      type(error).__name__) from None
    monkey.patch_all()


def describe(hello, interface):
    return hello["worker_connections"], "whole"


def run(worker):
    from ..greenlets import GreenletHost  # patches must come first

    host = GreenletHost(worker)
    worker.ready()
    host.start()
    host.finished.wait()
    host.link.finish()
