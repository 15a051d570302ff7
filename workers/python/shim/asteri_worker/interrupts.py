"""Ends calls by an exception, as the front asks for it: what they hold their own `finally` gives back, and the worker and its
other calls live on.

An exception cannot come from another thread into a system call. On the main thread it is raised by the handler of a signal,
which interrupts what the thread waits for; on another thread it waits for the thread to run Python code; greenlets and tasks
have their own ways. It is raised in the application's code only, never in the worker's. Where that does not run at the
moment it is tried again, for as long as the front waits.
"""
import os
import signal
import sys
from _thread import allocate_lock, get_ident
from time import sleep

from .threads import Thread

_OWN = os.path.dirname(__file__) + os.sep
_SWITCH = _OWN + "greenhub.py"
_SIGNAL = signal.SIGURG  # nobody is hurt by one that comes where it is not expected
_PAUSE = 0.05  # seconds between attempts; also before the first: the call may heed that its client has left
_ATTEMPTS = 20
_UNDISTURBED = 0.05  # seconds: many times what it takes to look at a thread and to have it raise

entries = set()  # the code of the worker that calls the application's


class RequestTimeout(BaseException):
    """Raised in a call that has taken longer than --timeout. No Exception, as the cancellation of a task is none: what
    catches those to try again would go on."""

    why = ""

    def __str__(self):
        return self.why


def entry(function):
    """Decorates what calls the application."""
    entries.add(function.__code__)
    return function


def in_application(frame):
    """Whether the innermost code of a call, given by its frame, is the application's."""
    while frame is not None and frame.f_code.co_filename == _SWITCH:
        frame = frame.f_back
    inner = frame
    while frame is not None and not frame.f_code.co_filename.startswith(_OWN):
        frame = frame.f_back
    return frame is not inner and frame is not None and frame.f_code in entries


class Interrupts:
    """Which calls are to be ended. Made on the main thread."""

    def __init__(self, worker):
        self._worker = worker
        self._main = get_ident()
        self._wanted = set()  # streams; whoever takes one out raises
        self._bell = allocate_lock()
        self._bell.acquire()
        self._ending = False
        self.on_late = None  # called on the control thread when calls are late; for a hook
        signal.signal(_SIGNAL, self._on_signal)
        self._thread = Thread(self._run)

    def stop(self, patience):
        self._ending = True
        self._ring()
        self._thread.join(patience)

    def want(self, streams, why):
        """The front asks for the end of calls; on the control thread."""
        RequestTimeout.why = why
        if self.on_late is not None:
            self.on_late()
        self._wanted.update(streams)
        self._ring()

    def take(self, stream):
        """Whether the call of stream is to be ended, by who asks: one of those who do is told so."""
        try:
            self._wanted.remove(stream)
        except KeyError:
            return False
        return True

    def signal(self, number=_SIGNAL):
        """Has the main thread look whether what it runs is to be ended, or handle another signal."""
        signal.pthread_kill(self._main, number)

    def _ring(self):
        try:
            self._bell.release()
        except RuntimeError:
            pass  # it rings already

    def _on_signal(self, _, frame):
        if self._wanted and in_application(frame):
            host = self._worker.host
            stream = host.current(frame)
            if stream and self.take(stream):
                raise RequestTimeout

    def _run(self):
        attempts = {}
        while True:
            self._bell.acquire()
            while self._wanted and not self._ending:
                sleep(_PAUSE)
                attempts = {stream: attempts.get(stream, 0) + 1 for stream in list(self._wanted)}
                for stream, number in attempts.items():
                    if number > _ATTEMPTS or not self._attempt(stream):
                        self._wanted.discard(stream)
            if self._ending:
                return

    def _attempt(self, stream):
        try:
            return self._worker.host.interrupt(stream)
        except BaseException:  # of a thread that has no other reader
            sys.excepthook(*sys.exc_info())
            return False


def raise_in_thread(ident, expected):
    """Has a thread raise RequestTimeout when it next runs Python code, if expected() then says that it is where it may be
    raised. Where that cannot be done nothing happens.

    The thread must not go on between the question and the deed, where it could come to another request: for so long no other
    thread gets the interpreter, because those that wait for it ask later than usual."""
    try:
        from ctypes import c_ulong, py_object, pythonapi

        raise_in = pythonapi.PyThreadState_SetAsyncExc
    except (ImportError, AttributeError):  # a Python without ctypes, or another one than CPython
        return
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        return
    usual = sys.getswitchinterval()
    sys.setswitchinterval(max(usual, _UNDISTURBED))
    try:
        sleep(2 * usual)  # who waits already has asked by then
        if expected():
            raise_in(c_ulong(ident), py_object(RequestTimeout))
    finally:
        sys.setswitchinterval(usual)
