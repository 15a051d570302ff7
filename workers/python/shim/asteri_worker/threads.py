"""The worker's own native threads, which end before the interpreter is taken apart.

A thread that meets a dying interpreter is ended in the middle of what it does, and where it has run greenlet's code the
process crashes for that.
"""
from _thread import allocate_lock, start_new_thread


class Thread:
    """Started with _thread, so that nothing that is monkey-patched later is in it."""

    def __init__(self, run):
        self._running = allocate_lock()
        self._running.acquire()
        start_new_thread(self._run, (run,))

    def _run(self, run):
        try:
            run()
        finally:
            self._running.release()

    def join(self, seconds):
        """Once, by one thread."""
        self._running.acquire(True, seconds)
