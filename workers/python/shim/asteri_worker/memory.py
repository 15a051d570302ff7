"""Which routes make the process grow: its resident memory before and after requests, of as many as cost nothing.

Reading it takes some microseconds. So it is read now and then, and when it has changed, around each of the next requests.
What the process has grown by beside that is shared out in proportion: a route of which one request in ten was measured gets
ten times as much. Whatever no request can be blamed for, because nothing was measured or other threads were at work, is
listed under no route.
"""
import os
import re
from _thread import allocate_lock
from time import monotonic

_LONG = 0.001  # seconds after which a call is worth a look of its own
_PERIOD = 0.005  # seconds between looks while nothing changes: they take a thousandth of the time, or less
_BURST = 50  # requests that are measured after a change,
_PAUSE = 0.1  # and seconds from one such burst to the next
_ROUTES = 200  # how many are told apart in one report
_PATH = 100  # characters of a route
_OTHER = ("", "other")
_NONE = ("", "")
# A segment that is likely the name of one thing of many: a number, a longer one with digits, a very long one.
_TOKEN = re.compile(r"(?<=/)(?:[0-9]+|(?=[^/]*[0-9])[^/]{8,}|[^/]{33,})(?=/|\Z)")


class Memory:
    """Measures in one of two ways. Where requests run one at a time: rest() when some have come, and ran() after one.
    Elsewhere: begin() and end() around one."""

    def __init__(self, ring):
        self._ring = ring
        self._lock = allocate_lock()
        self._page = os.sysconf("SC_PAGE_SIZE")
        self.due = 0.0  # monotonic time from which on a request should be measured
        self._long = _LONG
        self.started = 0  # calls: now, or where one runs at a time, at the last look
        self.running = 0  # those of an event loop
        self._known = self._told = 0  # pages at the last look, and at the last report
        self._counted = 0  # `started` at the last report
        self._routes = {}  # (method, route) -> [requests measured, pages grown, most pages at once]
        self._measured = 0
        self._burst = 0  # requests still to be measured of a burst
        self._pause_over = 0.0
        try:
            self._statm = os.open("/proc/self/statm", os.O_RDONLY)
            self._known = self._told = self._read()
        except (OSError, ValueError):  # not Linux
            self.due = self._long = float("inf")

    def _read(self):
        return int(os.pread(self._statm, 100, 0).split()[1])

    def _schedule(self, now, unexplained):
        """After a look: when the next one is due. unexplained: the process has grown, and it is not known by whose doing."""
        if self._burst:
            self._burst -= 1
        elif unexplained and now >= self._pause_over:
            self._burst, self._pause_over, self.due = _BURST, now + _PAUSE, now
        else:
            self.due = now + _PERIOD

    # One request at a time. `calls` is how many have been started; both return when to call ran() at the latest.

    def rest(self, calls, now):
        """Requests have come, and none runs: what changes between requests is not their doing."""
        if now >= self.due:
            pages = self._read()
            self._schedule(now, pages != self._known and calls != self.started)
            self._known, self.started = pages, calls
        return self.due

    def ran(self, request, calls, now, elapsed):
        """A request has ended, after `elapsed` seconds."""
        if now < self.due and elapsed < self._long:
            return self.due
        pages = self._read()
        grown, known = pages - self._known, elapsed >= self._long or calls - self.started == 1
        if known:
            self._blame(route_of(request[1], request[4]), grown)
        elif grown:
            self._ring()
        self._schedule(now, grown and not known)
        self._known, self.started = pages, calls
        return self.due

    # Requests that run side by side: who starts one adds 1 to `started`, and if it is due calls these two.

    def begin(self, now, running):
        """A call starts, beside others that are running. Returns what end() needs."""
        pages = self._read()
        self._schedule(now, pages != self._known)
        self._known = pages
        return pages, self.started, running

    def end(self, sample, name):
        """The call has ended. What the process has grown by meanwhile is a little of all that ran."""
        pages, started, running = sample
        self._blame(name, (self._read() - pages) / (1 + running + self.started - started))

    def _blame(self, name, pages):
        with self._lock:
            if name not in self._routes and len(self._routes) >= _ROUTES:
                name = _OTHER
            row = self._routes.setdefault(name, [0, 0, 0])
            row[0] += 1
            row[1] += pages
            row[2] = max(row[2], pages)
            self._measured += 1
        if pages:
            self._ring()

    def collect(self):
        """What is new since the last time: [(method, route, requests measured, bytes grown, most bytes at once), ...]."""
        if self.due == float("inf"):
            return []
        with self._lock:
            routes, self._routes = self._routes, {}
            measured, self._measured = self._measured, 0
            total = self._read() - self._told
            self._told += total
            calls, self._counted = self.started - self._counted, self.started
        blamed = sum(grown for _, grown, _ in routes.values())
        factor = max(calls / measured, 1) if measured else 1
        if 0 < blamed and total < blamed * factor:
            factor = max(total / blamed, 1)
        rows = [
            (*name, measured, round(grown * factor * self._page), round(most * self._page))
            for name, (measured, grown, most) in routes.items()
        ]
        rest = round((total - blamed * factor) * self._page)
        if rest:
            rows.append((*_NONE, 0, rest, 0))
        return rows


def route_of(method, path, scope=None):
    """(method, route) of a request: the path without what looks like the name of one thing of many, or the pattern that
    FastAPI leaves in the scope. Frameworks for WSGI leave none, or take it away again."""
    route = ""
    if scope is not None:
        pattern = getattr(scope.get("route"), "path", None)
        if type(pattern) is str:
            route = scope.get("root_path", "") + pattern
    return method[:20], (route or _TOKEN.sub("*", path[:4 * _PATH].decode("ascii", "replace")))[:_PATH]
