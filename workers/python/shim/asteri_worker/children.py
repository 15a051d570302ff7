"""Children that the application forks: with os.fork, or by multiprocessing. They have the worker's memory, and no part in
its work: the descriptors of the link and of the control socket are /dev/null in them, what they put there goes nowhere,
and what they log is written to standard error.
"""
import os
import sys

from . import signals
from .errors import traceback_of
from .link import Nowhere

ANY = 0  # of Host.forked: whichever stream


class Children:
    """Registered at the start of a worker, before the application can fork."""

    def __init__(self, worker):
        self._worker = worker
        os.register_at_fork(after_in_child=self._abandon)

    def _abandon(self):
        """In the child, on the thread that has forked: the only one there is."""
        worker = self._worker
        for sock in (worker.sock, worker.control.sock):
            if not isinstance(sock, Nowhere):  # else this is a child of such a child
                _put_null(sock.detach())  # so that nothing closes what may be a descriptor of the application's
        worker.sock = Nowhere()
        worker.control.abandon()
        if worker.link is not None:
            worker.link.abandon()
            worker.log.abandon()
        signals.forget()
        if worker.host is not None:
            worker.host.abandon()


def _put_null(fd):
    """Has fd, which is open, be /dev/null: the next socket of the child does not get its number."""
    os.close(fd)  # first, since there may be no other descriptor left
    try:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
    except OSError:
        return
    if null != fd:
        os.dup2(null, fd, inheritable=False)
        os.close(null)


def leave(error=None):
    """Ends the child: the call that forked has come back to the worker, where nobody waits for it. The status is the one
    that Python would exit with."""
    status = 0 if error is None else 1
    if isinstance(error, SystemExit):
        code = error.code
        status = (code if isinstance(code, int) else code is not None) & 0xFF
        error = code if status and not isinstance(code, int) else None
    try:
        if error is not None:
            sys.stderr.write(traceback_of(error) if isinstance(error, BaseException) else "%s\n" % (error,))
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    finally:
        os._exit(status)


class Running(dict):
    """Host.running in a child: the call that forked ends the child when it returns."""

    def __init__(self, host):
        super().__init__(host.running)
        self._host = host

    def __delitem__(self, stream):
        if self._host.forked in (ANY, stream):
            leave()
        super().__delitem__(stream)
