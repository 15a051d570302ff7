"""Notices calls that turn slow, at no cost to the calls that do not."""
from _thread import allocate_lock
from time import sleep

TICK = 0.002  # seconds; a call is slow when two ticks in a row find it running: after 2 to 4 ms
_PATIENCE = 5  # idle ticks before the watch sleeps until the next call


class Watch:
    """Whoever runs calls adds 1 to `calls` before and after each (odd: one is running) and then, if `parked`, calls
    unpark(). look() is called in a loop by the thread that watches."""

    def __init__(self, on_slow):
        self.calls = 0
        self.parked = False
        self._on_slow = on_slow
        self._seen = self._told = -1
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

    def look(self):
        """Waits one tick, or for a call if there was none for some ticks, and reports a slow call once."""
        if self._idle > _PATIENCE:
            self._park()
        sleep(TICK)
        calls = self.calls
        if not calls & 1:
            # Calls that came and went between two looks are work too.
            self._idle = 0 if calls != self._seen else self._idle + 1
        else:
            self._idle = 0
            if calls == self._seen and calls != self._told:
                self._told = calls
                self._on_slow()
        self._seen = calls

    def _park(self):
        self.parked = True
        # A call that began before it could see `parked` is seen here: one of the two sides always notices.
        if self.calls == self._seen:
            self._bell.acquire()
        self.parked = False
        self._idle = 0

    def watch(self):
        """look() for ever, for a thread of its own."""
        while True:
            self.look()
