"""What the WSGI models have in common: reading the link, and calls that wait until the front takes more of a response."""
import sys
from _thread import allocate_lock

from .children import ANY, Running
from .interrupts import in_application, raise_in_thread
from .link import PROBE, PROBED, REQUESTS, SHUTDOWN, WINDOW, frame, read_u32
from .memory import route_of

_DEPARTED = 1000  # how many streams that were not running are remembered


class Host:
    """What a model provides for its calls: the link, and how a call waits until the front takes more of its response.

    wait() blocks a call until the window opens or its client leaves; wake() ends that wait and may come from any thread.
    """

    def __init__(self, worker, link):
        self.link = link
        self.flush = link.flush
        self.log = worker.log
        self.control = control = worker.control
        self.intake = control.intake
        self.response_window = worker.hello["response_window"]
        self.running = {}  # stream -> Response: started and not ended
        self.departed = {}  # streams, ended ones mostly, whose client left while they were not running
        self.closing = False  # SHUTDOWN came
        self.forked = None  # in a child that the application has forked: by which stream, or ANY of them
        worker.host = self
        self.interrupts = worker.interrupts
        control.on_interrupt = self.interrupts.want
        control.on_cancel = self.cancel
        control.on_dropped = self.dropped

    def abandon(self):
        """In a forked child. Its one thread is the one that has forked."""
        self.forked = ANY
        self.running = Running(self)
        self.closing = True

    def current(self, frame):
        """The stream whose call runs on the main thread, where frame is what runs; 0 for none."""
        return next(iter(self.running), 0)

    def interrupt(self, stream):
        """Tries to end a call by RequestTimeout; on a thread of the worker's. False if it does not run any more."""
        self.interrupts.signal()
        return stream in self.running

    def wait(self, response):
        raise NotImplementedError

    def wake(self, response):
        pass

    def held(self, response):
        """The answer of a call that still runs was put into response.tail. A model that would not notice a slow end of
        the call (what an iterable does after its last item, its close()) sends the answer now."""

    def read(self):
        """Reads the link once and acts on what came. Requests go to the intake."""
        for kind, _, stream, payload in self.link.receive():
            if kind == REQUESTS:
                for ended in self.intake.add(payload):
                    self.dropped(ended)
            elif kind == WINDOW:
                response = self.running.get(stream)
                if response is not None:
                    response.granted += read_u32(payload)
                    self.wake(response)
            elif kind == SHUTDOWN:
                self.closing = True
            elif kind == PROBE:
                self.probed()

    def probed(self):
        """Tells the front that what it has sent is taken: with as many threads as requests, each has one that will run it."""
        self.link.put(frame(PROBED, 0))
        self.link.nudge()

    def cancel(self, stream, hard):
        """The client of a running stream left. A half-closed one still reads, so only a hard CANCEL counts."""
        if not hard:
            return
        # On the control thread a call may be seen between its start and its entry in `running`: it looks into `departed`
        # before it streams. A plain answer need not know.
        self.departed[stream] = True
        response = self.running.get(stream)
        if response is not None:
            response.gone = True
            self.wake(response)
            del self.departed[stream]
        elif len(self.departed) > _DEPARTED:
            del self.departed[next(iter(self.departed))]

    def dropped(self, stream):
        """A request whose client left before it was started; any thread."""
        self.control.discard(stream)
        self.link.done(stream)
        self.link.nudge()


class ThreadHost(Host):
    """A host whose calls run on threads, or in greenlets, of which another one reads the link."""

    new_lock = staticmethod(allocate_lock)  # a lock that waits as the calls do
    gateway = None  # set by the model

    def __init__(self, worker, link):
        super().__init__(worker, link)
        self._memory = worker.reports.measure()

    def call(self, request, tail, now):
        """Gateway.call(), and now and then what the process has grown by. now is monotonic()."""
        memory = self._memory
        memory.started += 1
        if now < memory.due:
            self.gateway.call(request, tail)
            return
        sample = memory.begin(now, len(self.running))
        self.gateway.call(request, tail)
        memory.end(sample, route_of(request[1], request[4]))

    def current(self, frame):
        return 0  # calls run on other threads

    def interrupt(self, stream):
        ident = self.thread_of(stream)
        if ident:
            raise_in_thread(ident, lambda: (
                self.thread_of(stream) == ident and in_application(sys._current_frames().get(ident)) and self.interrupts.take(stream)))
        return stream in self.running

    def thread_of(self, stream):
        """The identifier of the thread that runs a call, or 0."""
        raise NotImplementedError

    def wait(self, response):
        bell = response.waker
        if bell is None:
            bell = response.waker = self.new_lock()
            bell.acquire()
        # wake() changes the response first and then looks for the bell; this side looks the other way round.
        if response.granted == response.sent and not response.gone:
            bell.acquire()

    def wake(self, response):
        bell = response.waker
        if bell is not None:
            try:
                bell.release()
            except RuntimeError:
                pass  # rung already, and not yet heard
