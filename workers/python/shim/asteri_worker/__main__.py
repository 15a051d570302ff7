"""Start-up of a worker: HELLO, the model's preparation, the application's import, READY or FAILED, then the model."""
import atexit
import gc
import importlib
import os
import socket
import sys
from marshal import loads

from . import VERSION, lentloop, loader, output, process, signals, startmethods
from .children import Children
from .control import Control
from .errors import Failure, LinkClosed, kind_of, message_of, traceback_of
from .interrupts import Interrupts
from .link import FAILED, HELLO, READY, read_frame, value_frame
from .logs import Log
from .models import NAMES
from .reports import Reports
from .sources import distrust_fresh_code, of_failure

_LINK_FD, _CONTROL_FD = 3, 4
_FAILED_STATUS = 3
_END = 1.0  # seconds that each of the worker's threads has for its end
_WORDS = 1000  # characters of what READY says
_AT_START = 50_000  # objects made between two collections while the application is imported: what it makes then is mostly kept
_PYTHON = sys.version.partition(" ")[0]  # as platform has it, whose import takes a while


class Worker:
    """What the models need to know; one a process."""

    def __init__(self, sock, control):
        self.sock = sock
        self.control = control
        self.reports = Reports(control)
        self.hello = {}
        self.app = None
        self.interface = ""
        self.model = ""
        self.why = ""
        self.log = None
        self.loop = None  # of an asynchronous model
        self.link = None
        self.interrupts = None
        self.signals = None
        self.hooks = None  # of a gunicorn.conf.py
        self.host = None  # what runs the calls: a Host or a LoopServer
        self.body = ""
        self.capacity = 0
        self.announced = False
        self.thresholds = gc.get_threshold()
        gc.set_threshold(_AT_START)

    def attach(self, link):
        """The model's link; from here on the worker can log."""
        self.link = link
        self.log = Log(link, self.hello["log_level"])
        return link

    def ready_frame(self, lifespan=False):
        return value_frame(READY, 0, {
            "version": VERSION,
            "pid": os.getpid(),
            "python": _PYTHON,
            "implementation": {"cpython": "CPython", "pypy": "PyPy"}.get(sys.implementation.name, sys.implementation.name),
            "free_threaded": "t" in getattr(sys, "abiflags", ""),
            "interface": self.interface,
            "model": self.model,
            "why": self.why[:_WORDS],
            "capacity": self.capacity,
            "body": self.body,
            "libraries": _libraries(),
            "lifespan": lifespan,
            "compiled": __spec__.loader.compiles,
        })

    def ready(self, lifespan=False):
        """Announces the worker. What was imported until now is not garbage: the collector need not look at it again."""
        if gc.get_threshold()[0] == _AT_START:  # the application has none of its own
            gc.set_threshold(*self.thresholds)
        gc.collect()
        gc.freeze()
        __spec__.loader.code.clear()  # what was not imported by now mostly never is
        self.announced = True
        self.link.put(self.ready_frame(lifespan))
        self.link.flush()
        self.reports.ready()


def main():
    _leave_no_trace()
    sock, control = _inherit(_LINK_FD), Control(_inherit(_CONTROL_FD))
    control.start()
    worker = Worker(sock, control)
    Children(worker)
    worker.reports.start()
    # Registered first, and so called last: what the application counts at its end counts.
    worker.interrupts = Interrupts(worker)
    worker.signals = signals.Signals(worker)
    atexit.register(_end, os.getpid(), (worker.reports, worker.signals, worker.interrupts, control))
    try:
        status = _serve(worker)
    except LinkClosed:
        status = 0
    except Failure as failure:
        if worker.hello.get("sources"):
            failure.frame["sources"] = of_failure(failure)
        try:
            worker.sock.setblocking(True)
            worker.sock.sendall(value_frame(FAILED, 0, failure.frame))
            for stream in (sys.stdout, sys.stderr):
                stream.flush()
        finally:
            # At once: threads that the application has begun must not keep a failed worker, and the control thread must not
            # meet an interpreter that is being taken apart when the front, which has its answer, hangs up.
            os._exit(_FAILED_STATUS)
    sys.exit(status)


def _end(pid, parts):
    """Before the interpreter is taken apart; not in a child that the application has forked."""
    if os.getpid() == pid:
        for part in parts:
            part.stop(_END)


def _serve(worker):
    kind, payload = read_frame(worker.sock)
    hello = worker.hello = loads(payload)
    if kind != HELLO or hello["version"] != VERSION:
        raise Failure("handshake", "the front speaks version %r of the link, this worker %d" % (hello.get("version"), VERSION))
    if hello["sources"]:
        worker.reports.watch_sources()
        distrust_fresh_code()
    _refuse_without_lock()
    process.enter(hello)
    output.install(hello)
    startmethods.provide()
    _set_paths(hello)
    process.title(hello["proc_name"])  # by what the paths may lead to
    wanted = hello["model"]
    if wanted:
        _prepare(wanted, hello)
        _make_loop(worker, _model(wanted))
    output.mark_logging()  # after gevent's patches
    if worker.loop is None:
        lentloop.offer(hello["loop"])
    if hello["conf"] and not hello["check"]:
        from .hooks import Hooks

        worker.hooks = Hooks(worker)
        worker.hooks.forked()
    worker.app = loader.load(hello["app"])
    lentloop.withdraw()
    worker.interface, certain = loader.detect(worker.app, wanted, hello["interface"])
    worker.model, worker.why = loader.choose(worker.interface, wanted, hello["threads"])
    model = _model(worker.model)
    if not wanted:
        _prepare(worker.model, hello)
        _make_loop(worker, model)
    if not certain:
        worker.app, worker.why = loader.doubtful(worker.app, worker.interface, worker.why)
    worker.capacity, worker.body = model.describe(hello, worker.interface)
    if hello["check"]:
        worker.sock.sendall(worker.ready_frame())
        return 0
    if worker.hooks is not None:
        worker.hooks.initialised()
    try:
        model.run(worker)
        if worker.hooks is not None:
            worker.hooks.exiting()
    except (Failure, LinkClosed):
        raise
    except Exception as error:
        if worker.announced:
            raise  # it has served: a crash, which the front sees in the exit status and the traceback on standard error
        raise Failure("startup", message_of(error), "", kind_of(error), traceback_of(error)) from None
    return 0


def _refuse_without_lock():
    """A free-threaded Python runs applications as every other does while it has its interpreter lock. Without it neither
    this worker nor, mostly, what applications import has been tried."""
    if not getattr(sys, "_is_gil_enabled", lambda: True)():
        raise Failure("combination", "this Python, %s, is free-threaded and runs without its interpreter lock, for which workers "
                      "are not made" % _PYTHON, "turn the lock on with -e PYTHON_GIL=1, or name another Python with --python")


def _model(name):
    if name not in NAMES:
        raise Failure("combination", "there is no worker model %r" % name, "use one of " + ", ".join(NAMES))
    return importlib.import_module(".models." + name, __package__)


def _prepare(name, hello):
    model = _model(name)
    try:
        model.prepare(hello)
    except Failure:
        raise
    except Exception as error:  # a library that was built for another Python, for example
        raise Failure("library", "the model %s cannot run: %s" % (name, message_of(error)), "", kind_of(error),
                      traceback_of(error)) from None


def _make_loop(worker, model):
    """The event loop of an asynchronous model is the current one already while the application is imported: what it makes
    there, such as timers, tasks and (before Python 3.10) locks, belongs to the loop that will run. Where no model was asked
    for it is not known by then that there will be one; if the application has made a loop itself, or was lent one, that is
    taken."""
    new_loop = getattr(model, "new_loop", None)
    if new_loop is not None:
        from . import loops

        found = loops.current()
        taken = found is not None and (worker.hello["loop"] == "auto" or lentloop.is_lent(found))
        worker.loop = found if taken else new_loop(worker.hello)
        loops.set_current(worker.loop)


def _inherit(fd):
    try:
        sock = socket.socket(fileno=fd)
    except OSError:
        sys.exit("asteri_worker is started by asteri-loop: descriptor %d is not its socket" % fd)
    os.set_inheritable(fd, False)
    sock.settimeout(None)
    return sock


def _leave_no_trace():
    """The application sees a plain interpreter: no arguments of ours."""
    sys.argv[:] = ["asteri-loop"]
    for stream in (sys.stdout, sys.stderr):  # pipes of the front, which reads lines
        stream.reconfigure(line_buffering=True)


def _set_paths(hello):
    chdir = os.path.abspath(hello["chdir"])  # the present one, if none is given
    try:
        os.chdir(chdir)
    except OSError as error:
        raise Failure("import", "cannot change to the folder %s: %s" % (chdir, error.strerror), "see --chdir") from None
    for path in (*reversed(hello["pythonpath"]), chdir):
        path = os.path.abspath(path)
        if path in sys.path:
            sys.path.remove(path)
        sys.path.insert(0, path)


def _libraries():
    """Versions of the libraries in use that an operator may ask for."""
    found = {}
    for name in ("tornado", "gevent", "greenlet", "uvloop"):
        module = sys.modules.get(name)
        version = getattr(module, "version" if name == "tornado" else "__version__", None)
        if isinstance(version, str):
            found[name] = str.__getitem__(version, slice(_WORDS))
    return found
