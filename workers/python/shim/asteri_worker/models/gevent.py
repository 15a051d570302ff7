"""gevent: a monkey-patched process, and a greenlet for every request that waits for something."""
import os
from _thread import get_ident
from contextlib import contextmanager

from ..libraries import require


def prepare(hello):
    """Monkey-patches the process before the application is imported. Raises Failure when gevent is missing."""
    require("gevent")
    from gevent import monkey

    with _plugins_read_once():
        monkey.patch_all()
    _hear_of_children()


def _hear_of_children():
    """Has gevent's handler of SIGCHLD in place before a fork. gevent installs it after, too late for a child that has ended by
    then: waitpid() would never notice. Not before the first fork, since its loop takes the status of all children of others too."""
    import gevent

    hub = gevent.get_hub()

    def before():
        if hub.thread_ident == get_ident():
            hub.loop.install_sigchld()

    os.register_at_fork(before=before)


@contextmanager
def _plugins_read_once():
    """gevent asks some 25 times who has a plugin for its patches, and importlib.metadata reads each time what is said of all
    that is installed: half of a start."""
    from importlib import metadata

    plain, all_of_them = metadata.entry_points, metadata.entry_points()
    # Before Python 3.10 it takes no arguments, and gevent picks from all.
    metadata.entry_points = lambda **wanted: all_of_them.select(**wanted) if wanted else all_of_them
    try:
        yield
    finally:
        metadata.entry_points = plain


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
