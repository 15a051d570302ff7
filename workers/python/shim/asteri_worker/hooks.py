"""The hooks of workers in a gunicorn.conf.py, and what of its settings is heeded in workers. Imported where there is such a
file: without one nothing of this costs anything."""
import json
import logging
import os
import signal
import sys

from .conffile import ConfFile
from .errors import Failure, kind_of, message_of, traceback_of
from .hookobjects import Cfg, Log, Server, Worker, front, set_up_loggers

_LOGGING = {  # what gunicorn's own configuration of logging begins with
    "version": 1,
    "disable_existing_loggers": False,
    "root": {"level": "INFO", "handlers": ["console"]},
    "loggers": {
        "gunicorn.error": {"level": "INFO", "handlers": ["error_console"], "propagate": True, "qualname": "gunicorn.error"},
        "gunicorn.access": {"level": "INFO", "handlers": ["console"], "propagate": True, "qualname": "gunicorn.access"},
    },
    "handlers": {
        "console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stdout"},
        "error_console": {"class": "logging.StreamHandler", "formatter": "generic", "stream": "ext://sys.stderr"},
    },
    "formatters": {"generic": {"class": "logging.Formatter", "format": "%(asctime)s [%(process)d] [%(levelname)s] %(message)s",
                               "datefmt": "[%Y-%m-%d %H:%M:%S %z]"}},
}


class Hooks:
    """Those of one worker. Made before the application is imported."""

    def __init__(self, worker):
        """Raises Failure for a conf file that cannot be executed here, and for a configuration of logging that is none."""
        said = json.loads(worker.hello["conf"])
        self._worker = worker
        self._name = said["location"] or "the configuration of logging"
        names, self._hooks = {}, {}
        if said["directory"] not in sys.path:  # what lies beside the file may be imported by it
            sys.path.append(said["directory"])
        if said["location"]:
            found = self._guarded("cannot be read", ConfFile, said["location"], said["directory"], said["arities"])
            names, self._hooks = found.names, found.hooks
        cfg = Cfg(said["settings"], names)
        # Where the front reads what workers print, it knows the time and the rest by itself.
        form = _LOGGING["formatters"]["generic"] if worker.hello["keep_output"] else {"format": "%(message)s"}
        set_up_loggers(logging.StreamHandler(sys.stderr), worker.hello["log_level"], form["format"], form.get("datefmt"))
        self._guarded("the configuration of logging does not work", _configure_logging, cfg)
        log = Log(cfg)
        self.server = Server(cfg, log, front(), worker.hello["age"])
        self.worker = Worker(cfg, log, worker.hello["age"], os.getpid(), front())
        self.pre_request, self.post_request = self._hooks.get("pre_request"), self._hooks.get("post_request")
        self.of_requests = self.pre_request is not None or self.post_request is not None

    def _guarded(self, what, function, *args):
        try:
            return function(*args)
        except BaseException as error:  # SystemExit, too
            raise Failure("hook", "%s: %s: %s" % (self._name, what, message_of(error)), "", kind_of(error), traceback_of(error)) from None

    def forked(self):
        """The process is there; nothing of the application is."""
        worker_int, worker_abort = self._hooks.get("worker_int"), self._hooks.get("worker_abort")
        if worker_int is not None:
            signal.signal(signal.SIGINT, self._on_int)
            signal.signal(signal.SIGQUIT, self._on_int)
            self._worker.signals.relieving.update((signal.SIGINT, signal.SIGQUIT))  # which has the main thread run the hook, at the latest
        if worker_abort is not None:
            self._late = False  # the next SIGABRT is the worker's own, for a call that is late
            signal.signal(signal.SIGABRT, self._on_abort)
            self._worker.interrupts.on_late = self._call_is_late
        self._run_or_fail("post_fork", self.server, self.worker)

    def initialised(self):
        """The application is imported, and the worker is about to serve."""
        self.worker.app.callable = self._worker.app
        self._run_or_fail("post_worker_init", self.worker)
        self.worker.booted = True

    def exiting(self):
        """The worker has served."""
        self.worker.alive = False
        self.run("worker_exit", self.server, self.worker)

    def _run_or_fail(self, name, *args):
        hook = self._hooks.get(name)
        if hook is not None:
            self._guarded(name, hook, *args)

    def run(self, name, *args):
        """Runs a hook, if there is one. What it raises is logged."""
        hook = self._hooks.get(name)
        if hook is not None:
            try:
                hook(*args)
            except BaseException as error:
                self.failed(name, error)

    def failed(self, name, error):
        self.worker.log.error("%s: %s failed\n%s", self._name, name, traceback_of(error))

    # Signals. Gunicorn calls these hooks from its handlers of signals, on the main thread, too.

    def _on_int(self, *_):
        self.run("worker_int", self.worker)
        self._worker.signals.on_term()

    def _call_is_late(self):
        """On the control thread: a call has not ended within --timeout, and is about to be interrupted."""
        self._late = True
        self._worker.interrupts.signal(signal.SIGABRT)

    def _on_abort(self, *_):
        late, self._late = self._late, False
        self.worker.aborted = not late
        self.run("worker_abort", self.worker)
        if not late:  # somebody else's: it means what it usually does
            signal.signal(signal.SIGABRT, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGABRT)


def _configure_logging(cfg):
    """As gunicorn does it, in the order in which it looks."""
    if not (cfg.logconfig_dict or cfg.logconfig_json or cfg.logconfig):
        return
    import logging.config

    if cfg.logconfig_dict:
        logging.config.dictConfig({**_LOGGING, **cfg.logconfig_dict})
    elif cfg.logconfig_json:
        with open(cfg.logconfig_json, encoding="utf-8") as file:
            logging.config.dictConfig({**_LOGGING, **json.load(file)})
    else:
        path = cfg.logconfig[len("file:"):] if cfg.logconfig.startswith("file:") else cfg.logconfig
        if not os.path.exists(path):
            raise RuntimeError("logconfig: there is no file %r" % path)
        logging.config.fileConfig(path, {**_LOGGING, "__file__": path, "here": os.path.dirname(path)}, disable_existing_loggers=False)
