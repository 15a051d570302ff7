"""asyncio and gevent on one thread, for gtornado: code on the IOLoop may wait as code in a greenlet may. Imported after
monkey-patching.

The loop's callbacks, and so the steps of its tasks, run in a greenlet: the leader, which also waits in the selector. When a
callback waits for something itself (a patched time.sleep, a socket), another greenlet takes the lead and goes on with the
callbacks that are ready. The one that waited ends its callback when what it waits for has come, and is idle then. Callbacks
that do not wait cost no switch. greenhub.py keeps the running loop and the current task with the greenlet that waits.

This is safe because a callback is all that a greenlet holds while it waits. The loop's own code switches nowhere but in the
selector, and a task whose step waits is not scheduled again before that step has ended.
"""
import asyncio
import traceback
from collections import deque

import gevent
from gevent.hub import Waiter
from gevent.selectors import GeventSelector
from greenlet import GreenletExit

from . import greenhub
from .interrupts import RequestTimeout, in_application
from .tornado_server import TornadoServer, stream_of


class _Deposed(BaseException):
    """Ends the turn of a greenlet that does not lead any more."""


class _Ready(deque):
    """The callbacks that are ready. Only the leader takes them."""

    leading = False  # the leader runs callbacks: whatever greenlet waits now waits for one of them

    def popleft(self):
        if not self.leading:
            raise _Deposed
        return super().popleft()


class _Selector(GeventSelector):
    waiting = False

    def __init__(self, ready):
        super().__init__()
        self.callbacks = ready

    def select(self, timeout=None):
        self.waiting, self.callbacks.leading = True, False
        try:
            return super().select(timeout)
        finally:
            self.waiting, self.callbacks.leading = False, True


class GreenLoop(asyncio.SelectorEventLoop):
    def __init__(self):
        self._callbacks = _Ready()
        self._green = _Selector(self._callbacks)
        self._hub = gevent.get_hub()
        self._greenlets = []  # those that may lead; as many as callbacks ever waited at once
        self._idle = []  # those of them that do nothing
        self._end = None  # the Waiter of run_forever
        self._failure = None  # what run_forever is to raise
        super().__init__(self._green)
        self._ready = self._callbacks
        greenhub.outside.put_away = self._put_away
        greenhub.outside.bring_back = _bring_back

    # While the leader waits in the selector, what another greenlet schedules must end the wait, as it must for another
    # thread.

    def call_soon(self, callback, *args, context=None):
        if self._green.waiting:
            self._green.waiting = False  # one wake-up is enough
            return self.call_soon_threadsafe(callback, *args, context=context)
        return super().call_soon(callback, *args, context=context)

    def call_at(self, when, callback, *args, context=None):
        timer = super().call_at(when, callback, *args, context=context)
        if self._green.waiting:
            self.call_soon(int)  # the wait was computed without this timer
        return timer

    # Leading.

    def _run_once(self):
        """What run_forever calls for one iteration runs them all, until stop(). The calling greenlet only waits, so that
        it is there when the loop stops."""
        self._end = Waiter(self._hub)
        self._failure = None
        self._appoint()
        self._end.get()
        if self._failure is not None:
            raise self._failure

    def _appoint(self):
        if self._idle:
            leader = self._idle.pop()
        else:
            leader = gevent.Greenlet(self._run)
            self._greenlets.append(leader)
        self._hub.loop.run_callback(leader.switch)

    def _run(self):
        me = gevent.getcurrent()
        while True:
            asyncio._set_running_loop(self)
            self._lead()
            asyncio._set_running_loop(None)
            self._idle.append(me)
            self._hub.switch()

    def _lead(self):
        """Runs iterations of the loop until it stops, or until a callback has waited and another greenlet leads."""
        iteration, callbacks = super()._run_once, self._callbacks
        try:
            iteration()
            while callbacks.leading and not self._stopping:
                iteration()
        except _Deposed:
            return
        except GreenletExit:
            raise
        except BaseException as error:  # of a callback: SystemExit and KeyboardInterrupt end the loop
            self._failure = error
            self.stop()
            if not callbacks.leading:
                self.call_soon(int)  # the leader is to notice
        if callbacks.leading:
            callbacks.leading = False
            self._hub.loop.run_callback(self._end.switch, None)

    def waiting(self):
        """Each greenlet whose callback waits, and its frames, outermost first; any thread."""
        for waiting in list(self._greenlets):
            frames, frame = [], waiting.gr_frame  # None for the one that runs
            while frame is not None:
                frames.insert(0, frame)
                frame = frame.f_back
            yield waiting, frames

    def throw(self, waiting, error):
        """Raises error in a greenlet that waits."""
        self._hub.loop.run_callback(waiting.throw, error)

    def _put_away(self):
        """A greenlet is about to wait."""
        if self._callbacks.leading:
            self._callbacks.leading = False
            self._appoint()
        loop = asyncio._get_running_loop()
        if loop is None:
            return None
        task = asyncio.current_task(loop)
        if task is not None:
            asyncio.tasks._leave_task(loop, task)
        asyncio._set_running_loop(None)
        return loop, task


def _bring_back(loop, task):
    asyncio._set_running_loop(loop)
    if task is not None:
        asyncio.tasks._enter_task(loop, task)


class GreenServer(TornadoServer):
    begins_later = True

    def waiting_stacks(self):
        found = super().waiting_stacks()
        for _, frames in self.loop.waiting():
            stream = next(filter(None, map(stream_of, frames)), 0)
            if stream:
                found[stream] = "".join(traceback.format_list(traceback.StackSummary.extract((f, f.f_lineno) for f in frames)))
        return found

    def _cancel_task(self, stream):
        """A task whose step waits in a greenlet would be cancelled when that has ended. There the exception is raised."""
        for waiting, frames in self.loop.waiting():
            if stream in map(stream_of, frames):
                if in_application(frames[-1]) and self.interrupts.take(stream):
                    self.loop.throw(waiting, RequestTimeout)
                return
        super()._cancel_task(stream)

    def start(self, connection, context, request):
        # As a callback of its own: a handler may wait while it is made, and the reading of the link must not.
        connection.waits = request
        self.loop.call_soon(self._start, connection, context=context)

    def _start(self, connection):
        if connection.ended or self.claim(connection):
            connection.begin()
        else:
            self.forget(connection)
