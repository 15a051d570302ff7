"""The worker's own native threads, which end before the interpreter is taken apart.

A thread that meets a dying interpreter is ended in the middle of what it does, and where it has run greenlet's code the
process crashes for that.
"""
import sys
from _thread import allocate_lock, get_native_id, start_new_thread
from os.path import exists
from time import monotonic, sleep

_STEADY = sys.version_info >= (3, 11)  # locks wait by the monotonic clock; before, by the time of day, which may be set back
_SLICE = 0.01


def acquire(lock, seconds):
    """lock.acquire() for at most so many seconds, natively. Whether it was acquired."""
    if _STEADY:
        return lock.acquire(True, seconds)
    until = monotonic() + seconds
    while not lock.acquire(False):
        left = until - monotonic()
        if left <= 0:
            return False
        sleep(min(left, _SLICE))
    return True


class Thread:
    """Started with _thread, so that nothing that is monkey-patched later is in it."""

    def __init__(self, run):
        self._running = allocate_lock()
        self._running.acquire()
        start_new_thread(self._run, (run,))

    def _run(self, run):
        self._id = get_native_id()
        try:
            run()
        finally:
            self._running.release()

    def join(self, seconds):
        """Once, by one thread. The lock tells of the last step but one: after it the thread is waited for where the system
        lists threads."""
        until = monotonic() + seconds
        if acquire(self._running, seconds):
            while exists("/proc/self/task/%d" % self._id) and monotonic() < until:
                sleep(0.001)
