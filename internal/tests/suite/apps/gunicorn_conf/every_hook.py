# Every hook, each of which notes that it has run, and where.
import json
import os

bind = "127.0.0.1:0"
workers = 1
graceful_timeout = 10


def note(hook, *about):
    with open(os.environ["NOTES"], "a") as file:
        print(json.dumps([hook, os.getpid(), *about]), file=file)


def on_starting(server):
    note("on_starting", server.pid, server.num_workers)


def on_reload(server):
    note("on_reload", server.cfg.workers)


def when_ready(server):
    note("when_ready", [list(one) for one in server.address])


def pre_fork(server, worker):
    note("pre_fork", worker.age)


def post_fork(server, worker):
    note("post_fork", worker.age, worker.pid == os.getpid(), server.pid == os.getppid())


def post_worker_init(worker):
    note("post_worker_init", callable(worker.wsgi) or worker.wsgi is not None, worker.cfg.graceful_timeout)


def pre_request(worker, req):
    note("pre_request", req.method, req.path, req.query, list(req.version), dict(req.headers).get("X-SENT"))
    req.headers.append(("X-HOOK", "seen %d" % worker.nr))


def post_request(worker, req, environ, resp):
    note("post_request", req.path, resp.status_code, resp.sent, environ["REQUEST_METHOD"], dict((n.lower(), v) for n, v in resp.headers)["content-type"])


def worker_int(worker):
    note("worker_int")


def worker_abort(worker):
    note("worker_abort")


def worker_exit(server, worker):
    note("worker_exit", worker.nr)


def child_exit(server, worker):
    note("child_exit", worker.pid, worker.age, worker.exitcode)


def nworkers_changed(server, new, old):
    note("nworkers_changed", new, old)


def on_exit(server):
    note("on_exit")
