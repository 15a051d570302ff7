"""WSGI calls in greenlets on gevent's hub, for the models gevent and gtornado. Imported after monkey-patching.

One greenlet, the runner, takes request after request. As long as calls do not wait they cost no switch at all. When one
does (the hub gets control while the runner is in a call), another greenlet becomes the runner and the blocked one
goes on when what it waits for has come, as if each request had a greenlet of its own. A greenlet on which a request has
left something, locals mostly, ends with that request, so that no other finds them.
"""
import traceback
from collections import deque
from contextvars import copy_context
from time import monotonic

import gevent
from gevent.thread import allocate_lock

from .control import thread_stacks
from .errors import LinkClosed
from .host import Host, ThreadHost
from .interrupts import RequestTimeout, in_application
from .link import PROBED, LoopLink, frame
from .wsgi import gateway_of

_READ, _WRITE = 1, 2
_NOBODY = -1  # no stream
_HOLD = 0.001  # seconds that a finished answer waits for others of its batch


class Posts:
    """Calls from native threads, made on the hub."""

    def __init__(self, hub):
        self._calls = deque()
        self._watcher = hub.loop.async_()
        self._watcher.start(self._run)

    def __call__(self, function, *args):
        """Any thread."""
        self._calls.append((function, args))
        self._watcher.send()

    def _run(self):
        while self._calls:
            function, args = self._calls.popleft()
            function(*args)


class Runner(gevent.Greenlet):
    """A greenlet that takes requests. What gevent.local, threading.local and applications keep with a greenlet is in its
    __dict__, which is empty otherwise."""

    __slots__ = ("_host", "tail", "stream")

    def __init__(self, host):
        super().__init__()
        self.spawn_tree_locals = {}  # not those that all children of the hub share
        self._host = host
        self.tail = []
        self.stream = 0  # what it runs

    def _run(self):
        self._host.take_requests(self)

    def rawlink(self, callback):
        """What is to be called at the end of the greenlet is to be called at that of the request."""
        self.linked = True
        super().rawlink(callback)

    def used(self):
        """Whether requests have left something on it."""
        return self.__dict__ or self.spawn_tree_locals


class GreenletHost(ThreadHost):
    """Runs WSGI calls in greenlets. The hub reads the link and starts runners."""

    def __init__(self, worker):
        self._hub = hub = gevent.get_hub()
        self._post = Posts(hub)
        descriptor = worker.sock.fileno()
        self._readable = hub.loop.io(descriptor, _READ)
        self._writable = hub.loop.io(descriptor, _WRITE)
        link = worker.attach(LoopLink(worker.sock, self._want_write, lambda: self._post(self.flush)))
        super().__init__(worker, link)
        worker.control.on_cancel = lambda stream, hard: self._post(self.cancel, stream, hard)
        worker.control.on_dropped = lambda stream: self._post(self.dropped, stream)
        worker.control.stacks = self._stacks
        self.gateway = gateway_of(worker, self, multithread=True)
        self._context = copy_context()
        self._runner = None  # the greenlet that takes requests
        self._busy = False  # the runner is in a call
        self._probed = False  # a PROBE is to be answered once all that waits was begun
        self._idle = []  # greenlets that wait to be the runner
        self._greenlets = {}  # all of them, as keys: as many as calls ever waited at once
        self.on_finished = None  # called when SHUTDOWN came and every call has ended; set before start()

    def start(self):
        self._readable.start(self._on_readable)

    def abandon(self):
        """The child has all greenlets, and what they wait for may come there too. Nothing comes from the front."""
        super().abandon()
        self.forked = getattr(gevent.getcurrent(), "stream", _NOBODY) or _NOBODY
        self._readable.stop()
        self._writable.stop()
        self.on_finished = lambda: None

    def current(self, frame):
        return getattr(gevent.getcurrent(), "stream", 0)

    def interrupt(self, stream):
        self._post(self._throw, stream)  # to one that waits
        return Host.interrupt(self, stream)

    # In the hub. Nothing here may block; switching to a greenlet is what a hub does.

    def _throw(self, stream):
        for runner in self._greenlets:
            if runner.stream == stream and in_application(runner.gr_frame) and self.interrupts.take(stream):
                runner.throw(RequestTimeout)
                return

    def _on_readable(self):
        try:
            self.read()
        except BlockingIOError:
            return
        except (LinkClosed, OSError):
            self._readable.stop()
            self.on_finished()
            return
        if self.intake.waiting:
            self._go()
        elif self.closing:
            self._finish_if_done()
        self.link.flush()

    def _go(self):
        """Has a greenlet take the waiting requests."""
        while True:
            if self._runner is None or self._busy:
                self._runner = self._next_runner()
                self._busy = False
            self._hub.loop.run_callback(self._control_returned, self._runner)
            self._runner.switch()
            if self._runner is not None or not self.intake.waiting:
                return

    def _next_runner(self):
        if self._idle:
            return self._idle.pop()
        runner = Runner(self)
        self._greenlets[runner] = True
        return runner

    def _control_returned(self, runner):
        """The hub runs for the first time since runner took requests: in a call, it waits for something; else it is done."""
        if runner.tail:
            self.link.linger(runner.tail)
        if runner is self._runner and self._busy:
            self.link.flush()
            self._runner = None
            if self.intake.waiting:
                self._go()
        if self._probed and not self.intake.waiting:  # what waited last still runs, or its runner is used up
            self.probed()
            self.link.flush()

    # In a runner.

    def take_requests(self, runner):
        """Runs requests until the runner is used up."""
        try:
            self._take_requests(runner)
        finally:  # also if the application has kept the greenlet, and kills it later
            del self._greenlets[runner]
            if self._runner is runner:
                self._runner = None
            elif runner in self._idle:
                self._idle.remove(runner)

    def _take_requests(self, runner):
        start, call, tail = self.intake.waiting.popleft, self.call, runner.tail
        copy, to_hub = self._context.copy, self._hub.switch
        due = monotonic() + _HOLD
        while True:
            try:
                request = start()
            except IndexError:
                if self._probed:
                    self.probed()
                self.link.flush()
                to_hub()
                due = monotonic() + _HOLD
                continue
            self._busy = True
            runner.stream = request[0]
            now = monotonic()
            if now > due:
                self.link.flush()
                due = now + _HOLD
            copy().run(call, request, tail, now)
            runner.stream = 0
            if self._runner is runner:
                self._busy = False
            else:
                # Another greenlet has taken over while this one waited.
                self.link.flush()
                self._finish_if_done()
                if runner.used():
                    return
                self._idle.append(runner)
                to_hub()
                continue
            if self.closing:
                self._finish_if_done()
            if runner.__dict__ or runner.spawn_tree_locals:  # as Runner.used() has it
                self.link.flush()
                return

    def _finish_if_done(self):
        if self.closing and not (self.running or self.intake.waiting):
            self.on_finished()

    def probed(self):
        self._probed = bool(self.intake.waiting)
        if not self._probed:
            self.link.put(frame(PROBED, 0))  # who reads flushes, and who runs

    new_lock = staticmethod(allocate_lock)

    def wait(self, response):
        self.link.flush()
        super().wait(response)

    def held(self, response):
        if gevent.getcurrent() is not self._runner:
            self.link.linger(response.tail)

    def _want_write(self, wanted):
        if wanted:
            self._writable.start(self.link.on_writable)
        else:
            self._writable.stop()

    def _stacks(self, stream):
        """On the control thread, which must not touch patched modules."""
        found = {}
        for runner in list(self._greenlets):
            if runner.stream and stream in (0, runner.stream):
                top = runner.gr_frame  # None for the one that runs at this moment
                found["stream %d" % runner.stream] = "".join(traceback.format_stack(top)) if top else "\n".join(thread_stacks(0).values())
        if not stream:
            found.update(thread_stacks(0))
        return found
