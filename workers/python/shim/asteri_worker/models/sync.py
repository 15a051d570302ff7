"""sync: one request at a time, on the main thread."""
import select
from _thread import start_new_thread
from time import monotonic

from ..errors import LinkClosed
from ..host import Host
from ..link import BlockingLink
from ..watch import Watch
from ..wsgi import gateway_of

_HOLD = 0.001  # seconds that a finished answer waits for others of its batch
_LOOK = 100  # milliseconds between looks at `gone` while a response waits for its window


def prepare(hello):
    pass


def describe(hello, interface):
    return 1, "whole"


def run(worker):
    model = Sync(worker)
    worker.ready()
    model.serve()


class Sync(Host):
    def __init__(self, worker):
        super().__init__(worker, worker.attach(BlockingLink(worker.sock)))
        self._gateway = gateway_of(worker, self, multithread=False)
        self._tail = []
        self._watch = Watch(self._slow)
        self._memory = worker.reports.measure()
        self._readable = select.poll()
        self._readable.register(worker.sock, select.POLLIN)

    def serve(self):
        self.start_watch()
        while not self.closing:
            try:
                self.read()
            except LinkClosed:
                return
            self.run_waiting()

    def start_watch(self):
        start_new_thread(self._watch.watch, ())

    def run_waiting(self):
        """Runs the requests that wait, and sends all answers."""
        start, call, tail = self.intake.waiting.popleft, self._gateway.call, self._tail
        link, watch, memory = self.link, self._watch, self._memory
        before = flushed = monotonic()
        due = memory.rest(watch.calls >> 1, flushed)
        while True:
            try:
                request = start()
            except IndexError:
                link.flush()
                return
            watch.calls += 1
            if watch.parked:
                watch.unpark()
            call(request, tail)
            watch.calls += 1
            now = monotonic()
            if now - flushed > _HOLD or now >= due:
                link.flush()
                flushed = now
                due = memory.ran(request, watch.calls >> 1, now, now - before)
            before = now

    def _slow(self, waits):
        """On the watching thread: what was finished before the slow call must not wait for it."""
        self.link.linger(self._tail)

    def wait(self, response):
        """The window is closed: reads the link itself, since nobody else does. Requests that come go to the intake.
        A CANCEL comes on the other socket, so the wait looks up now and then."""
        self.flush()
        if self._readable.poll(_LOOK):
            self.read()
