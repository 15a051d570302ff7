"""Notices calls that turn slow, at no cost to the calls that do not."""
import sys
from _thread import allocate_lock
from time import monotonic, sleep

TICK = 0.002  # seconds; a call that waits is slow when two ticks in a row find it running: after 2 to 4 ms
_PROMPT = 0.0005  # seconds that a tick may be late if nobody else held the interpreter when it ended
_LONG = 0.020  # seconds after which a call that computes, or has lost its processor, is slow too
_LOCKED = getattr(sys, "_is_gil_enabled", lambda: True)()  # threads take turns for the interpreter
_PATIENCE = 5  # idle ticks before the watch sleeps until the next call


class Watch:
    """Whoever runs calls adds 1 to `calls` before and after each (odd: one is running) and then, if `parked`, calls
    unpark(). look() is called in a loop by the thread that watches.

    Elapsed time does not tell a call that waits from one whose thread has lost its processor to another process, which
    happens all the time on a busy machine. The interpreter lock does: a call that waits has released it, so the watch
    wakes promptly; one that runs, or would run, makes the watch wait for the lock. Without that lock calls that compute
    gain from overlapping too, so there it does not matter what a slow one does."""

    def __init__(self, on_slow):
        """on_slow(waits) is called once for a slow call; waits: others can run meanwhile, since it does not compute, or
        computes without the interpreter lock."""
        self.calls = 0
        self.parked = False
        self.stopped = False  # nobody will call unpark() again
        self._on_slow = on_slow
        self._seen = self._told = -1
        self._since = 0.0
        self._idle = 0
        self._bell = allocate_lock()
        self._bell.acquire()

    def unpark(self):
        """Any thread."""
        self.parked = False
        try:
            self._bell.release()
        except RuntimeError:
            pass  # somebody else has rung it

    def stop(self):
        """Any thread: look() waits for no call any more."""
        self.stopped = True
        if self.parked:
            self.unpark()

    def look(self):
        """Waits one tick, or for a call if there was none for some ticks, and reports a slow call once."""
        if self._idle > _PATIENCE:
            self._park()
        began = monotonic()
        sleep(TICK)
        now = monotonic()
        calls = self.calls
        if not calls & 1:
            # Calls that came and went between two looks are work too.
            self._idle = 0 if calls != self._seen else self._idle + 1
        else:
            self._idle = 0
            if calls != self._seen:
                self._since = now
            elif calls != self._told:
                waits = not _LOCKED or now - began < TICK + _PROMPT
                if waits or now - self._since > _LONG:
                    self._told = calls
                    self._on_slow(waits)
        self._seen = calls

    def _park(self):
        self.parked = True
        # A call that began before it could see `parked` is seen here, and so is a stop: one of the two sides always notices.
        if self.calls == self._seen and not self.stopped:
            self._bell.acquire()
        self.parked = False
        self._idle = 0

    def watch(self):
        """look() for ever, for a thread of its own."""
        while True:
            self.look()
