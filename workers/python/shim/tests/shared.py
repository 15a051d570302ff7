"""Workers that tests use one after the other: most tests leave theirs as it was, and to start one takes longer than to run them."""
import contextlib
import os
import unittest

from .front import Front

_waiting = {}


@contextlib.contextmanager
def shared(*args, **kwargs):
    """A worker that was started with these arguments and is idle. It goes on to the next test of the file if this one has
    passed and has left it idle. A test that ends its worker or changes it otherwise has a Front of its own."""
    key = repr((args, sorted(kwargs.items())))
    front, files = _waiting.pop(key, None) or _begin(*args, **kwargs)
    try:
        yield front
    except BaseException:
        front.close()
        raise
    if front.idle():
        front.forget(files)
        _waiting[key] = front, files
    else:
        front.close()


def _begin(*args, **kwargs):
    front = Front(*args, **kwargs)
    unittest.addModuleCleanup(_end, front)
    return front, frozenset(os.listdir(front.directory))


def _end(front):
    _waiting.clear()
    front.close()
