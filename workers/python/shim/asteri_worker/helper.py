"""The helper interpreter: it executes a gunicorn.conf.py, says what that sets, and then, for as long as there are hooks of the
server in it, runs these one after the other. Descriptor 3 is a stream of lines of JSON, see PROTOCOL.md; when the front closes
it, or has gone, the helper ends."""
import json
import logging
import os
import signal
import socket
import sys
import types
from _thread import allocate_lock

from .conffile import ConfFile, plain, worker_class
from .errors import message_of, traceback_of
from .hookobjects import Cfg, Log, Server, Worker, front, set_up_loggers

_MOST = 1000  # names that are no settings
_TEXT = 64 << 10  # characters of a message


class Front:
    """The other end of descriptor 3."""

    def __init__(self):
        sock = socket.socket(fileno=3)
        os.set_inheritable(3, False)
        os.set_inheritable(4, False)
        sock.settimeout(None)
        self._sock = sock
        self._lines = sock.makefile("rb")
        self._lock = allocate_lock()

    def receive(self):
        """The next line, or None at the end."""
        line = self._lines.readline()
        return json.loads(line) if line.endswith(b"\n") else None

    def send(self, **told):
        data = json.dumps(told).encode() + b"\n"
        with self._lock:
            self._sock.sendall(data)


class ToFront(logging.Handler):
    """What hooks log is in the server's log."""

    def __init__(self, front_end):
        super().__init__()
        self._front = front_end

    def emit(self, record):
        try:
            self._front.send(log=[record.levelno, self.format(record)[:_TEXT]])
        except Exception:
            self.handleError(record)


def main():
    os.dup2(2, 1)  # what the file prints is no answer of ours, and goes to standard error
    sys.argv[:] = ["asteri-loop"]
    sys.stdout.reconfigure(line_buffering=True)
    for number in (signal.SIGINT, signal.SIGTERM):  # service managers send them to all processes; ours is the end of the stream
        signal.signal(number, lambda *_: None)  # and not SIG_IGN, which what hooks start would inherit
    front_end = Front()
    asked = front_end.receive()
    if asked is None:
        return
    os.chdir(asked["directory"])
    for path in reversed([asked["directory"], *asked["path"]]):
        sys.path.insert(0, os.path.abspath(path))
    set_up_loggers(ToFront(front_end), logging.INFO)
    try:
        found = ConfFile(asked["location"], asked["directory"], asked["arities"])
        front_end.send(**_describe(found, asked["names"]))
    except BaseException as error:  # SystemExit, too
        front_end.send(failed=message_of(error) + _remedy(error), traceback=traceback_of(error))
        return
    _serve(front_end, found)
    for stream in (sys.stdout, sys.stderr):
        stream.flush()
    os._exit(0)  # threads of hooks, and what they have made, are not waited for: the server has ended


def _remedy(error):
    name = error.name if isinstance(error, ModuleNotFoundError) and isinstance(error.name, str) else ""
    return "; install gunicorn beside the application, or do without what is imported from it" if name.partition(".")[0] == "gunicorn" else ""


def _describe(found, settings):
    lines, values, odd, others = found.lines(), {}, {}, {}
    for name in settings:
        if name in found.names and name not in found.hooks:
            value = found.names[name]
            try:
                values[name] = worker_class(value) if name == "worker_class" else plain(value)
            except TypeError:
                odd[name] = type(value).__name__
    for name, value in list(found.names.items()):
        strange = name not in settings and not name.startswith("_") and name in lines and len(others) < _MOST
        if strange and not isinstance(value, (types.ModuleType, type)):
            others[name] = lines[name]
    return {
        "values": values, "odd": odd, "hooks": sorted(found.hooks), "others": others, "path": found.path or "",
        "lines": {name: line for name, line in lines.items() if name in settings},
    }


def _serve(front_end, found):
    server = None
    while True:
        asked = front_end.receive()
        if asked is None:
            return
        if "settings" in asked:
            os.environ.update(asked["env"])
            os.chdir(asked["chdir"])
            if asked["chdir"] not in sys.path:
                sys.path.insert(0, asked["chdir"])
            cfg = Cfg(asked["settings"], found.names)
            log = Log(cfg)
            log.error_log.setLevel(log.loglevel)
            server = Server(cfg, log, front())
            continue
        name, args = asked["call"], asked["args"]
        failed = None
        try:
            found.hooks[name](server, *_arguments(name, args, server))
        except BaseException as error:
            failed = traceback_of(error)
        front_end.send(failed=failed)


def _arguments(name, args, server):
    """The arguments of a hook behind the server."""
    if name == "nworkers_changed":
        server.num_workers = args[0]
        return args
    if name == "pre_fork":
        server.worker_age = age = args[0]
        return [Worker(server.cfg, server.log, age, "[booting]", server.pid)]
    if name == "child_exit":
        age, pid, exitcode = args
        worker = Worker(server.cfg, server.log, age, pid, server.pid)
        worker.exitcode = exitcode
        worker.alive, worker.booted = False, True
        return [worker]
    return []
