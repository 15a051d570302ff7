"""gthread: calls on a pool of T threads, without an executor's price for each.

The thread that reads the link (the leader) runs what it read itself, one after the other. When a call turns slow, the
main thread, which watches, takes the lead from it and gives it to an idle thread; the deposed one answers on its own and
becomes idle. While calls block (known by the watch and by comparing CPU time with elapsed time), a leader hands on the
lead before each call, so that they overlap as in an ordinary pool. With all T threads busy the main thread reads, so that
windows and shutdown are never stuck behind calls.
"""
import select
import threading
from _thread import allocate_lock, get_ident
from time import monotonic

from ..control import thread_stacks
from ..errors import LinkClosed
from ..host import ThreadHost
from ..link import BlockingLink
from ..usage import thread_use
from ..watch import Watch
from ..wsgi import gateway_of

_LOOK = 0.02  # seconds between looks at the link when the worker ends
_HOLD = 0.001  # seconds that a finished answer waits for others of its batch
_SPREAD = 0.25  # seconds for which calls are spread over the threads once they were seen to block
_BLOCKED = 0.0002  # seconds of waiting a call that make spreading worth its switches


def prepare(hello):
    pass


def describe(hello, interface):
    return max(1, hello["threads"]), "whole"


def run(worker):
    model = GThread(worker)
    worker.ready()
    model.serve()


class _Runner:
    """One thread of the pool."""

    def __init__(self):
        self.bell = allocate_lock()  # rung to make it the leader, or to end it
        self.bell.acquire()
        self.tail = []
        self.leading = []  # holds one item while it runs a call as the leader; whoever pops it decides
        self.stream = 0  # what it runs, for stacks


class GThread(ThreadHost):
    def __init__(self, worker):
        super().__init__(worker, worker.attach(BlockingLink(worker.sock)))
        threads = worker.capacity
        self.gateway = gateway_of(worker, self, multithread=threads > 1)
        self._watch = Watch(self._slow)
        self._runners = {}  # thread identifier -> _Runner
        self._lock = allocate_lock()  # guards the two below
        self._idle = []
        self._leader = None  # None: the main thread reads
        self._spread_until = 0.0
        self._readable = select.poll()
        self._readable.register(worker.sock, select.POLLIN)
        self._threads = [
            threading.Thread(target=self._run, args=(_Runner(),), name="gthread-%d" % (n + 1), daemon=True)
            for n in range(threads)
        ]
        worker.control.stacks = self._stacks

    def serve(self):
        """The main thread: watches the leader, and reads when nobody leads."""
        for thread in self._threads:
            thread.start()
        while not self.closing:
            if self._leader is None:
                self._read_for_all()
            else:
                self._watch.look()
        self._wake_all()
        for thread in self._threads:
            while thread.is_alive():
                self._read_to_the_end()
                thread.join(_LOOK)
        self.flush()

    def _read_to_the_end(self):
        """Calls that are left may wait for their windows, and no thread leads any more."""
        while self._readable and self._readable.poll(0):
            try:
                self.read()
            except LinkClosed:
                self._readable = None

    def _read_for_all(self):
        self._receive()
        self._hand_on()

    def _receive(self):
        try:
            self.read()
        except LinkClosed:
            self.closing = True

    def abandon(self):
        super().abandon()
        self._lock = allocate_lock()

    # The pool's threads.

    def _run(self, runner):
        self._runners[get_ident()] = runner
        while self._idle_until_leader(runner):
            self._lead(runner)

    def _idle_until_leader(self, runner):
        """Runs what waits, then sleeps until it is made the leader. False when the worker closes."""
        while True:
            try:
                request = self.intake.waiting.popleft()
            except IndexError:
                with self._lock:
                    # Whoever adds requests looks for idle threads under this lock afterwards.
                    if self.intake.waiting:
                        continue
                    if self.closing:
                        return False
                    self._idle.append(runner)
                runner.bell.acquire()
                if not self.closing:
                    return True
            else:
                self._call(runner, request)
                self.flush()

    def _lead(self, runner):
        """Reads and runs until it gives up the lead, is deposed, or the worker closes."""
        start, leading, watch = self.intake.waiting.popleft, runner.leading, self._watch
        calls, began, use = 0, monotonic(), thread_use()
        flushed = began
        while True:
            try:
                request = start()
            except IndexError:
                self.flush()
                if calls:
                    self._measure(calls, monotonic() - began, use)
                if not self.closing:
                    self._receive()
                if self.closing and not self.intake.waiting:
                    self._wake_all()
                    return
                calls, began, use = 0, monotonic(), thread_use()
                flushed = began
                continue
            if flushed < self._spread_until and self._hand_on():
                self._call(runner, request)
                self.flush()
                return
            calls += 1
            leading.append(True)
            watch.calls += 1
            if watch.parked:
                watch.unpark()
            self._call(runner, request)
            try:
                leading.pop()
            except IndexError:  # deposed: `calls` is the next leader's now
                self.flush()
                return
            watch.calls += 1
            now = monotonic()
            if now - flushed > _HOLD:
                self.flush()
                flushed = now

    def _call(self, runner, request):
        runner.stream = request[0]
        self.call(request, runner.tail, monotonic())
        runner.stream = 0

    def _measure(self, calls, elapsed, before):
        """Calls that wait more than they work gain from overlapping. A thread that lost its processor to another process
        did not work either, but gave it up less often than once a call."""
        busy, switches = thread_use()
        waited = (elapsed - busy + before[0]) / calls
        if waited > _BLOCKED and waited * 2 > elapsed / calls and (switches - before[1]) * 2 >= calls:
            self._spread_until = monotonic() + _SPREAD

    def _hand_on(self):
        """Makes an idle thread the leader, if there is one."""
        with self._lock:
            if not self._idle:
                return False
            self._leader = self._idle.pop()
            self._leader.bell.release()
            return True

    def _step_down(self, runner):
        """Takes the lead from a runner in the middle of its call. False if it has just ended, or does not lead."""
        try:
            runner.leading.pop()
        except IndexError:
            return False
        self._watch.calls += 1  # the next leader starts with an even count
        if not self._hand_on():
            self._leader = None
            if self._watch.parked:
                self._watch.unpark()
        return True

    def _slow(self, waits):
        """On the main thread: the leader's call has turned slow. Calls that wait gain from overlapping."""
        leader = self._leader
        if leader is not None and self._step_down(leader):
            if waits:
                self._spread_until = monotonic() + _SPREAD
            self.link.linger(leader.tail)

    def _wake_all(self):
        with self._lock:
            self.closing = True
            for runner in self._idle:
                runner.bell.release()
            self._idle.clear()
        self._watch.stop()

    # Responses that wait for their window.

    def wait(self, response):
        self.flush()
        runner = self._runners.get(get_ident())
        if runner is not None:  # not a thread of the application that was given write()
            self._step_down(runner)
        super().wait(response)

    def held(self, response):
        runner = self._runners.get(get_ident())
        if runner is None or not runner.leading:  # the watch looks at the leader only, which may have been deposed
            self.link.linger(response.tail)

    def thread_of(self, stream):
        return next((ident for ident, runner in list(self._runners.items()) if runner.stream == stream), 0)

    def _stacks(self, stream):
        if not stream:
            return thread_stacks(0)
        ident = self.thread_of(stream)
        return thread_stacks(stream, ident) if ident else {}
