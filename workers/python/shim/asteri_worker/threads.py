"""The worker's own native threads, which end before the interpreter is taken apart.

A thread that meets a dying interpreter is ended in the middle of what it does, and where it has run greenlet's code the
process crashes for that.
"""
from _thread import allocate_lock, get_native_id, start_new_thread
from os.path import exists
from time import monotonic


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
        if self._running.acquire(True, seconds):
            while exists("/proc/self/task/%d" % self._id) and monotonic() < until:
                self._running.acquire(True, 0.001)  # nobody releases it any more: a native sleep
