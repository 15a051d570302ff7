"""The link on an asyncio event loop, for the models asgi, tornado and gtornado."""
import asyncio
import sys
import traceback
from time import monotonic

from .children import leave
from .control import thread_stacks
from .errors import LinkClosed
from .interrupts import RequestTimeout
from .link import BODY, BROKEN, DONE, DRAIN, END, MESSAGES, PROBE, PROBED, REQUESTS, SHUTDOWN, WINDOW, LoopLink, frame, read_u32


EAGER = sys.version_info >= (3, 12)  # tasks may take their first step when they are made
_HOLD = 0.001  # seconds that a finished answer waits for others of its batch
_LAST = 0.1  # seconds that tasks which are cancelled for the worker's end may take, shortly before it is killed
_patience = 1.0  # seconds that those may take which are left when the loop ends


def new_loop(kind):
    """An event loop: "uvloop", "asyncio", or with "auto" uvloop when it is installed and works."""
    if kind in ("auto", "uvloop"):
        try:
            import uvloop

            return uvloop.new_event_loop()
        except ImportError:
            if kind == "uvloop":
                raise
    return asyncio.new_event_loop()


set_current = asyncio.set_event_loop


def current():
    """The loop that asyncio.get_event_loop finds outside of coroutines, or None where that function would make one, warn or
    fail, by the version of Python."""
    policy = getattr(asyncio.events, "_event_loop_policy", None)  # None: nobody has asked for a loop yet
    loop = getattr(getattr(policy, "_local", None), "_loop", None)
    return None if loop is None or loop.is_closed() else loop


def run(loop, coroutine):
    """Runs coroutine to its end and closes the loop as asyncio.run does."""
    set_current(loop)
    try:
        return loop.run_until_complete(coroutine)
    finally:
        left = asyncio.all_tasks(loop)
        for task in left:
            task.cancel()
        if left:
            loop.run_until_complete(asyncio.wait(left, timeout=_patience))
        loop.run_until_complete(loop.shutdown_asyncgens())
        set_current(None)
        loop.close()


class LoopServer:
    """Reads the link on an event loop, keeps the cycles of its streams, and writes once an iteration.

    A cycle has stream, answer, ended, lingers, and on_body, on_window, on_cancel. Subclasses start cycles.
    """

    # begin() leaves it to a later callback to run anything of the application, and that takes the request out of the
    # intake: until then it can be given back, since a callback before it may block the loop.
    begins_later = False
    # Or it runs the call as far as it goes without waiting, and takes it out of the intake first.
    begins_eagerly = False

    def __init__(self, worker, loop):
        self.loop = loop
        self.control = worker.control
        self.intake = worker.control.intake
        self.take = self.intake.waiting.remove  # of the first one, mostly: no search. ValueError: it is not to run
        self.link = worker.attach(LoopLink(worker.sock, self._want_write, self.nudge))
        self.log = worker.log
        self.memory = worker.reports.measure()
        self.response_window = worker.hello["response_window"]
        self.body_window = worker.hello["body_window"]
        self.cycles = {}
        self._descriptor = worker.sock.fileno()
        self._finished = []  # cycles whose answer is whole and not yet queued on the link
        self._flushing = False  # _flush is scheduled, or about to be called
        self.flush_due = 0.0  # monotonic time from which on no call begins before what is finished was sent
        self._closing = False
        self._idle = loop.create_future()  # done when SHUTDOWN came and no stream is left
        self.interrupts = worker.interrupts
        self.forked = None  # in a child that the application has forked: the task that did it
        worker.host = self

    def abandon(self):
        """In a forked child, where the loop goes on only in what runs when its task has come back to the worker's code."""
        self.forked = asyncio.current_task(self.loop) or True

    def returned(self, error=None):
        """The current task's call has come back. That ends a child."""
        if self.forked is not None and self.forked in (True, asyncio.current_task(self.loop)):
            leave(error)

    def begin(self, request):
        """Starts the call of one request."""
        raise NotImplementedError

    def on_messages(self, payload):
        """Takes messages of WebSockets, for models that know what these are."""
        raise NotImplementedError

    def on_drain(self):
        """The server, or this worker, has begun to drain; may come twice."""

    async def serve(self):
        """Serves until SHUTDOWN, or the end of the link, and the end of what runs."""
        self.control.on_cancel = self._from_control(self._cancelled)
        self.control.on_dropped = self._from_control(self._dropped)
        self.control.stacks = self._stacks
        self.control.on_interrupt = self._interrupted
        self.loop.add_reader(self._descriptor, self._on_readable)
        try:
            await self._idle
        finally:
            self.loop.remove_reader(self._descriptor)
            self._flush()

    # Reading.

    def _on_readable(self):
        try:
            frames = self.link.receive()
        except BlockingIOError:
            return
        except (LinkClosed, OSError):
            self._close(abandon=True)
            return
        for kind, flags, stream, payload in frames:
            if kind == REQUESTS:
                self._begin_batch(payload)
            elif kind == MESSAGES:
                self.on_messages(payload)
            elif kind == SHUTDOWN:
                self.on_drain()
                self._close()
            elif kind == DRAIN:
                self.on_drain()
            elif kind == PROBE:
                self.queue(frame(PROBED, 0))  # behind the first steps of what was begun
            else:
                cycle = self.cycles.get(stream)
                if cycle is not None:
                    if kind == BODY:
                        cycle.on_body(payload, flags & END, flags & BROKEN)
                    elif kind == WINDOW:
                        cycle.on_window(read_u32(payload))

    def _begin_batch(self, batch):
        intake = self.intake
        for stream in intake.add(batch):
            self._dropped(stream)
        self.flush_due = monotonic() + _HOLD
        if self.begins_eagerly:
            self._flushing = True
            try:
                for request in batch:
                    self.begin(request)
            finally:
                self._flush()
            return
        if self.begins_later:
            for request in batch:
                self.begin(request)
            self.flush_soon()
            return
        start, begin, left = intake.waiting.popleft, self.begin, len(intake.waiting)
        while left:
            try:
                request = start()
            except IndexError:  # recalled
                break
            begin(request)
            left -= 1
        # Behind the first steps of the tasks just made: what they answer at once goes out in this same iteration.
        self.flush_soon()

    # Writing.

    def queue(self, data):
        """Queues one frame, to be sent in this iteration of the loop."""
        self.link.put(data)
        if not self._flushing:
            self.flush_soon()

    def answered(self, cycle):
        """The cycle's answer is whole; its call may still run."""
        self._finished.append(cycle)
        if not self._flushing:
            self.flush_soon()

    def ended(self, cycle):
        """The cycle's call has ended."""
        if self.forked is not None:
            self.returned()
        if cycle.answer is None or cycle.lingers:
            self.queue(frame(DONE, cycle.stream))
        del self.cycles[cycle.stream]
        if self._closing and not self.cycles:
            self._close()

    def forget(self, cycle):
        """Nothing of the cycle goes on, and the front knows."""
        del self.cycles[cycle.stream]
        if self._closing and not self.cycles:
            self._close()

    def flush_soon(self):
        if not self._flushing:
            self._flushing = True
            self.loop.call_soon(self._flush)

    def flush_late(self, now):
        """A call begins at `now`, which is after flush_due. What was finished before it need not wait for more."""
        self.flush_due = now + _HOLD
        self._flush()

    def nudge(self):
        """flush_soon() for other threads."""
        self._call_from_thread(self.flush_soon)

    def _flush(self):
        self._flushing = False
        link = self.link
        finished = self._finished
        if finished:
            self._finished = []
            queue = link.answers.append
            for cycle in finished:
                if cycle.ended:
                    queue(cycle.answer)
                else:
                    cycle.lingers = True
                    queue((*cycle.answer, True))
            link.seal()  # a DONE of one that lingers must follow it
        link.flush()

    def _want_write(self, wanted):
        if wanted:
            self.loop.add_writer(self._descriptor, self._on_writable)
        else:
            self.loop.remove_writer(self._descriptor)

    def _on_writable(self):
        try:
            self.link.on_writable()
        except OSError:
            self._want_write(False)
            self._close(abandon=True)

    # The control thread.

    def _from_control(self, function):
        return lambda *args: self._call_from_thread(function, *args)

    def _call_from_thread(self, function, *args):
        try:
            self.loop.call_soon_threadsafe(function, *args)
        except RuntimeError:
            pass  # the loop has been closed: the worker is ending

    def _cancelled(self, stream, hard):
        cycle = self.cycles.get(stream)
        if cycle is not None:
            cycle.on_cancel(hard)

    def _dropped(self, stream):
        self.control.discard(stream)
        self.queue(frame(DONE, stream))

    def _close(self, abandon=False):
        self._closing = True
        if (abandon or not self.cycles) and not self._idle.done():
            self._idle.set_result(None)

    def tasks(self):
        """The task of each stream, as far as it is known."""
        return {number: cycle.task for number, cycle in list(self.cycles.items()) if cycle.task is not None}

    def waiting_stacks(self):
        """Where each stream's call waits, as far as it is known; on the control thread."""
        return {number: task_stack(task) for number, task in self.tasks().items()}

    # The end of calls that do not end.

    def _interrupted(self, streams, why):
        if streams:
            self.interrupts.want(streams, why)
        else:
            self._call_from_thread(self._end_all, why)

    def _end_all(self, why):
        """The worker is about to be killed, and its application has been told that all clients have left. What does not
        heed that is cancelled, and not waited for much longer: the end of the application is to be in order."""
        global _patience
        _patience = _LAST
        for task in self.tasks().values():
            task.cancel(why)
        self.loop.call_later(_LAST, self._close, True)

    def current(self, frame):
        """The stream whose task runs, where frame is what runs; 0 for none."""
        task = asyncio.current_task(self.loop)
        return next((number for number, one in self.tasks().items() if one is task), 0)

    def interrupt(self, stream):
        """Tries to end a call: one that waits is cancelled, as tasks are; in one that stops the loop RequestTimeout is
        raised. On a thread of the worker's. False if it does not run any more."""
        self._call_from_thread(self._cancel_task, stream)
        self.interrupts.signal()
        return stream in self.tasks()

    def _cancel_task(self, stream):
        task = self.tasks().get(stream)
        if task is not None and self.interrupts.take(stream):
            task.cancel(RequestTimeout.why)

    def _stacks(self, stream):
        """On the control thread: the stack of one stream's task, or of all threads and tasks."""
        found = {} if stream else thread_stacks(0)
        for number, text in self.waiting_stacks().items():
            if stream in (0, number):
                found["stream %d" % number] = text
        if stream and asyncio.current_task(self.loop) in [c.task for n, c in list(self.cycles.items()) if n == stream]:
            found = thread_stacks(0)  # it runs, or blocks the loop, at this moment
        return found


def task_stack(task):
    """Where a task waits: the frames of its coroutine and of what that awaits."""
    frames, awaited = [], task.get_coro()
    while awaited is not None:
        for prefix in ("cr_", "gi_", "ag_"):
            top = getattr(awaited, prefix + "frame", None)
            if top is not None:
                frames.append((top, top.f_lineno))
                awaited = getattr(awaited, prefix + "await", None) if prefix != "gi_" else awaited.gi_yieldfrom
                break
        else:
            awaited = None
    return "".join(traceback.format_list(traceback.StackSummary.extract(iter(frames))))
