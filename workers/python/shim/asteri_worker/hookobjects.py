"""What hooks get: `server`, `worker`, `req` and `resp`, with the attributes of gunicorn's that conf files look at."""
import logging
import os
import sys
from time import monotonic

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}


class Setting:
    """As cfg.settings has them."""

    def __init__(self, name, value):
        self.name = name
        self.value = value

    def get(self):
        return self.value


class Cfg:
    """`cfg`: each setting of gunicorn's by its name. What the server has is as it is in effect; what is heeded in workers,
    and what the server does not know, is as the conf file has it."""

    def __init__(self, known, names):
        """`known` are the settings in effect, by gunicorn's names, and None for those that only a conf file can have."""
        self.settings = {
            name: Setting(name, names.get(name) if value is None else value) for name, value in known.items()}

    def __getattr__(self, name):
        if name == "settings" or name not in self.settings:
            raise AttributeError("No configuration setting for: %s" % name)
        return self.settings[name].value

    @property
    def address(self):
        return [_address(one) for one in self.bind]

    @property
    def env(self):
        return dict(one.split("=", 1) for one in self.settings["raw_env"].value or () if "=" in one)

    @property
    def worker_class_str(self):
        return self.settings["worker_class"].value

    @property
    def is_ssl(self):
        return bool(self.settings["certfile"].value or self.settings["keyfile"].value)


def _address(bind):
    if bind.startswith("unix:"):
        return bind[len("unix:"):]
    if bind.startswith("fd://"):
        return int(bind[len("fd://"):])
    host, _, port = bind.rpartition(":")
    return host.strip("[]") or "0.0.0.0", int(port)


class Log:
    """`log`: writes to the logger that gunicorn calls its error log."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.error_log = logging.getLogger("gunicorn.error")
        self.access_log = logging.getLogger("gunicorn.access")
        self.loglevel = _LEVELS.get(cfg.loglevel, logging.INFO)
        for name in ("critical", "error", "warning", "info", "debug", "exception", "log"):
            setattr(self, name, getattr(self.error_log, name))


def set_up_loggers(handler, level, form="%(message)s", dates=None):
    """Gunicorn's two loggers: what is written to the first goes to handler. That of requests is the server's own affair."""
    error, access = logging.getLogger("gunicorn.error"), logging.getLogger("gunicorn.access")
    error.propagate = access.propagate = False
    handler.setFormatter(logging.Formatter(form, dates))
    error.addHandler(handler)
    error.setLevel(level)
    access.addHandler(logging.NullHandler())


class App:
    """`app` of a server or a worker."""

    def __init__(self, cfg):
        self.cfg = cfg
        self.callable = None

    def wsgi(self):
        return self.callable


class Server:
    """`server`, gunicorn's Arbiter: the front end, whose child each process that has such an object is."""

    master_name = "Master"

    def __init__(self, cfg, log, front, age=0):
        self.cfg = cfg
        self.log = log
        self.pid = front
        self.app = App(cfg)
        self.address = cfg.address
        self.num_workers = cfg.workers
        self.worker_age = age
        self.timeout = cfg.timeout
        self.proc_name = cfg.proc_name or cfg.default_proc_name


class Heartbeat:
    """`worker.tmp`, the file by which gunicorn knows that a worker lives. Here there is none."""

    def notify(self):
        pass

    def last_update(self):
        return monotonic()


class Worker:
    """`worker`."""

    reloader = None
    alive = True
    booted = aborted = False
    nr = 0  # requests that it has been given

    def __init__(self, cfg, log, age, pid, front):
        self.cfg = cfg
        self.log = log
        self.age = age
        self.pid = pid
        self.ppid = front
        self.app = App(cfg)
        self.timeout = cfg.timeout
        self.max_requests = cfg.max_requests or sys.maxsize
        self.sockets = []  # they are the front end's
        self.tmp = Heartbeat()

    @property
    def wsgi(self):
        return self.app.callable

    def notify(self):
        """Tells gunicorn that the worker lives. Here that is told by a thread."""

    def __str__(self):
        return "<Worker %s>" % self.pid


class Request:
    """`req`. Its headers are a list of (NAME, value); what a hook does to it the application finds in its request."""

    trailers = ()
    body = None  # it is the application's to read
    fragment = ""
    proxy_protocol_info = None

    def __init__(self, method, path, query, version, scheme, peer, read_headers):
        self.method = method
        self.path = path
        self.query = query
        self.uri = path + "?" + query if query else path
        major, _, minor = version.partition(".")
        self.version = int(major), int(minor or 0)
        self.scheme = scheme
        self.remote_addr = self.peer_addr = peer
        self._read_headers = read_headers
        self._headers = self._before = None

    @property
    def headers(self):
        if self._headers is None:
            self._headers = self._read_headers()
            self._before = list(self._headers)
        return self._headers

    @headers.setter
    def headers(self, value):
        self._before = self.headers if self._before is None else self._before
        self._headers = value

    def changed(self):
        """(headers before, headers now) if a hook has changed them, else None."""
        if self._headers is None or self._headers == self._before:
            return None
        return self._before, [(str(name).upper(), str(value)) for name, value in self._headers]

    def should_close(self):
        return self.version == (1, 0)


class Response:
    """`resp`."""

    def __init__(self, req, status, headers, sent):
        self.req = req
        self.status = status  # as gunicorn has it: "200 OK" under WSGI, 200 else
        self.status_code = int(str(status)[:3]) if status else None
        self.headers = headers
        self.headers_sent = status is not None
        self.sent = sent
        self.response_length = next((int(value) for name, value in headers if name.lower() == "content-length" and value.isdigit()), None)


def environ_of(request):
    """What gunicorn gives to post_request where there is no environ of WSGI."""
    environ = {
        "REQUEST_METHOD": request.method,
        "RAW_URI": request.uri,
        "PATH_INFO": request.path,
        "QUERY_STRING": request.query,
        "SERVER_PROTOCOL": "HTTP/%d.%d" % request.version,
        "REMOTE_ADDR": request.remote_addr[0] if request.remote_addr else "-",
    }
    for name, value in request.headers:
        environ["HTTP_" + name.replace("-", "_")] = value
    return environ


def front():
    """The front end's process."""
    return os.getppid()
