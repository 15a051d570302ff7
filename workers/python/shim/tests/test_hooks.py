"""Hooks of a gunicorn.conf.py in workers: around requests, at the start and the end, and for the signals."""
import json
import os
import signal
import unittest

from .front import Front
from .models import WSGI_MODELS

CONF = """
import os

def note(*words):
    with open(os.path.join(os.path.dirname(__file__), "notes"), "a") as file:
        print(*words, file=file)

def post_fork(server, worker):
    note("post_fork", worker.age, worker.cfg.workers, server.cfg.own)

def post_worker_init(worker):
    note("post_worker_init", worker.wsgi.__name__)

def pre_request(worker, req):
    if req.path == "/refused":
        raise ValueError("not this one")
    headers = dict(req.headers)
    req.headers = [(name, value) for name, value in req.headers if name != "X-OLD"] + [("X-New", headers.get("X-OLD", "none"))]

def post_request(worker, req, environ, resp):
    note("post_request", req.uri, resp.status, resp.sent, "HTTP_X_OLD" in environ, len(resp.headers))
    if req.path == "/after":
        raise KeyError("afterwards")

def worker_int(worker):
    note("worker_int")

def worker_exit(server, worker):
    note("worker_exit", worker.nr)
"""
APP = """
def app(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/error":
        raise LookupError("of the application")
    start_response("404 Not Found" if path == "/missing" else "200 OK", [("Content-Type", "text/plain")])
    if path == "/stream":
        return iter([b"a" * 10, b"b" * 10])
    return [environ.get("HTTP_X_NEW", "").encode(), b"."]
"""
ARITIES = {"post_fork": 2, "post_worker_init": 1, "pre_request": 2, "post_request": 4, "worker_int": 1, "worker_abort": 1, "worker_exit": 2}


def hello(directory):
    known = dict.fromkeys(("logconfig", "logconfig_dict", "logconfig_json", "proc_name", "own", "max_requests"))
    known.update(workers=3, bind=["127.0.0.1:8000"], timeout=30, loglevel="info", default_proc_name="app")
    return json.dumps({"location": "gunicorn.conf.py", "directory": directory, "arities": ARITIES, "settings": known})


class HookedFront(Front):
    """A front whose conf file lies in the worker's folder."""

    def __init__(self, model, text=CONF, **kwargs):
        # A relative path is from the worker's working directory, which it enters first.
        super().__init__(APP, model, files={"gunicorn.conf.py": text}, conf=hello("."), **kwargs)

    def notes(self):
        try:
            with open(os.path.join(self.directory, "notes")) as file:
                return file.read().splitlines()
        except FileNotFoundError:
            return []


class Hooks(unittest.TestCase):
    def test_requests(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), HookedFront(model) as front:
                self.assertEqual(front.call("/", headers=(("x-old", "value"),)).body, b"value.")
                self.assertEqual(front.call("/missing").status, 404)
                self.assertEqual(front.call("/stream", query="q=1").body, b"a" * 10 + b"b" * 10)
                self.assertIn("of the application", front.call("/error").error[0])
                self.assertIn("not this one", front.call("/refused").error[0])
                self.assertEqual(front.call("/after").body, b"none.")
                self.assertEqual(front.shutdown(), 0)
                notes, expected = front.notes(), [
                    "post_fork 1 3 None", "post_worker_init app", "post_request / 200 OK 6 False 1", "post_request /missing 404 Not Found 5 False 1",
                    "post_request /stream?q=1 200 OK 20 False 1", "post_request /error None 0 False 0", "post_request /after 200 OK 5 False 1", "worker_exit 6",
                ]
                if model == "asgi":  # the answer is out before the hook has run: the next request may overtake it
                    notes[2:-1], expected[2:-1] = sorted(notes[2:-1]), sorted(expected[2:-1])
                self.assertEqual(notes, expected)

    def test_signals(self):
        with HookedFront("sync") as front:
            os.kill(front.ready["pid"], signal.SIGINT)
            front.wait(lambda: front.retired, "RETIRE")
            self.assertEqual(front.shutdown(), 0)  # the hook has run by then, also if the signal came as the main thread began to wait
            self.assertIn("worker_int", front.notes())

    def test_failures(self):
        for text, message in {
            "1 / 0\n": "gunicorn.conf.py: cannot be read: ZeroDivisionError", "def post_fork(server, worker): raise SystemExit(1)\n": "gunicorn.conf.py: post_fork: SystemExit",
            "def post_fork(server): pass\n": "TypeError: post_fork: must take 2 arguments",
            "logconfig_dict = {'root': {'handlers': ['none']}}\n": "the configuration of logging does not work",
        }.items():
            with self.subTest(text), HookedFront("sync", text) as front:
                self.assertEqual(front.failed["phase"], "hook")
                self.assertIn(message, front.failed["message"])
