"""What the worker tells the front now and then over the control socket: the application's metrics, which routes made the
process grow, and which files it has imported (PROTOCOL.md, "Reports").

A native thread sends it, at most once a second, and sleeps while there is nothing new.
"""
import os
import sys
from _thread import allocate_lock
from marshal import dumps

import asteri_metrics

from .link import frame
from .memory import Memory
from .sources import Sources
from .threads import Thread, acquire

METRICS, MEMORY = 137, 138

_PERIOD = 1.0  # seconds
_SERIES = 500  # how many go in one frame


class Reports:
    def __init__(self, control):
        self._control = control
        self._pid = os.getpid()
        self._bell = allocate_lock()  # released when there is something to tell
        self._bell.acquire()
        self._sending = allocate_lock()
        self._ending = allocate_lock()  # released when the worker ends
        self._ending.acquire()
        self._thread = None
        self._memory = None  # if a model measures it
        self._sources = None  # if the front watches them

    def start(self):
        """Before anything is patched."""
        asteri_metrics.connect(self.ring)
        self._thread = Thread(self._run)

    def stop(self, patience):
        """Once; sends what is left."""
        self._ending.release()
        self.ring()
        self._thread.join(patience)
        self.send()

    def measure(self):
        """For a model that measures memory: by what."""
        self._memory = Memory(self.ring)
        return self._memory

    def watch_sources(self):
        """The front watches the application's files. Imports ring no bell: the thread looks now and then."""
        self._sources = Sources()
        self.ring()

    def ready(self):
        """The front reads the control socket from now on: it is told at once what to watch."""
        if self._sources is not None:
            self.send()

    def ring(self):
        """There is something to tell; any thread."""
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it rings already

    def _run(self):
        while True:
            if self._sources is None:
                self._bell.acquire()
            else:
                acquire(self._bell, _PERIOD)
            if acquire(self._ending, _PERIOD):
                return
            try:
                self.send()
            except BaseException:  # of a thread that has no other reader
                sys.excepthook(*sys.exc_info())

    def send(self):
        """Sends what is new. A child that the worker has forked has nothing to tell."""
        if os.getpid() != self._pid:
            return
        with self._sending:
            frames = _metrics(*asteri_metrics.collect())
            if self._memory is not None:
                frames += _memory(self._memory.collect())
            if self._sources is not None:
                frames += self._sources.collect()
            try:
                for one in frames:
                    self._control.send(one)
            except OSError:
                pass  # the front has gone, and the control thread is about to end the process


def _metrics(found, lost, invalid):
    """METRICS frames. Each describes its metrics, so that the front need remember nothing of the worker."""
    pieces = [(metric, series[start:start + _SERIES]) for metric, series in found.items() for start in range(0, len(series), _SERIES)]
    batches, room = [], 0
    for metric, series in pieces:
        if len(series) > room:
            batches.append([])
            room = _SERIES
        batches[-1].append((metric.name, metric.kind, metric.help, metric.label_names, metric.detail, series))
        room -= len(series)
    if (lost or invalid) and not batches:
        batches.append([])
    # What was dropped is told once, with the first.
    return [frame(METRICS, 0, dumps((batch, *((lost, invalid) if batch is batches[0] else (0, 0))), 4)) for batch in batches]


def _memory(routes):
    return [frame(MEMORY, 0, dumps(routes, 4))] if routes else []
