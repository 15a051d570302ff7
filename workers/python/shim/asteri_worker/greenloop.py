"""asyncio and gevent on one thread, for gtornado. Imported after monkey-patching.

The asyncio loop runs in the main greenlet and waits with gevent's selector: while it waits, the hub runs other greenlets.
A greenlet never runs inside a step of a Task: the Task awaits a Future, and the greenlet resolves it.
"""
import asyncio
import functools
import inspect
from contextvars import copy_context

import gevent
from gevent.selectors import GeventSelector
from greenlet import greenlet
from tornado import gen, web

from . import greenhub

greenhub.running.get = staticmethod(asyncio._get_running_loop)
greenhub.running.set = staticmethod(asyncio._set_running_loop)


class _Selector(GeventSelector):
    waiting = False

    def select(self, timeout=None):
        self.waiting = True
        try:
            return super().select(timeout)
        finally:
            self.waiting = False


class GreenLoop(asyncio.SelectorEventLoop):
    """While the main greenlet waits in the selector, what another greenlet schedules must end the wait, as it must for
    another thread."""

    def __init__(self):
        self._green = _Selector()
        super().__init__(self._green)

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


class _Pool:
    """Greenlets that run functions and are kept for the next."""

    def __init__(self, loop):
        self._loop = loop
        self._hub = gevent.get_hub()
        self._idle = []

    def submit(self, function):
        """Runs function() in a greenlet as soon as the loop waits. Returns the asyncio Future of its result."""
        future = self._loop.create_future()
        worker = self._idle.pop() if self._idle else greenlet(self._run, self._hub)
        self._hub.loop.run_callback(worker.switch, (function, future))
        return future

    def _run(self, job):
        # A handler may use the IOLoop (create_task, add_callback): to its code it is the running loop.
        asyncio._set_running_loop(self._loop)
        me = gevent.getcurrent()
        while True:
            _run_job(*job)
            job = None
            self._idle.append(me)
            job = self._hub.switch()


def _run_job(function, future):
    try:
        result = function()
    except BaseException as error:
        if not future.done():
            # A Future refuses StopIteration.
            future.set_exception(RuntimeError(repr(error)) if isinstance(error, StopIteration) else error)
    else:
        if not future.done():
            future.set_result(result)


def run_handlers_in_greenlets(loop):
    """Makes every RequestHandler run its synchronous methods (prepare, the HTTP method, data_received) in greenlets."""
    pool = _Pool(loop)
    init = web.RequestHandler.__init__

    @functools.wraps(init)
    def init_with_greenlets(self, application, request, **kwargs):
        init(self, application, request, **kwargs)
        names = ["prepare", "data_received"]
        if request.method in self.SUPPORTED_METHODS:
            names.append(request.method.lower())
        for name in names:
            if _waits_in_greenlet(type(self), name):
                setattr(self, name, functools.partial(_call, pool, getattr(self, name)))

    web.RequestHandler.__init__ = init_with_greenlets


@functools.lru_cache(maxsize=None)
def _waits_in_greenlet(handler, name):
    """Whether a handler class has a method of its own under this name that is not a coroutine."""
    method = getattr(handler, name, None)
    if method is None or method is getattr(web.RequestHandler, name, None):
        return False
    return not (inspect.iscoroutinefunction(method) or gen.is_coroutine_function(method))


async def _call(pool, method, *args, **kwargs):
    context = copy_context()
    result = await pool.submit(functools.partial(context.run, method, *args, **kwargs))
    for variable, value in context.items():  # what prepare() sets, get() finds
        if variable.get(_call) is not value:
            variable.set(value)
    if result is not None:
        result = await result
    return result
