# The hooks of gunicorn's own example, which most files begin with.
import sys
import threading
import traceback

bind = "127.0.0.1:0"
workers = 1
timeout = 2


def pre_fork(server, worker):
    server.log.debug("about to fork %s", worker)


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s, number %s of %s)", worker.pid, worker.age, server.cfg.workers)


def pre_exec(server):
    server.log.info("Forked child, re-executing.")


def when_ready(server):
    server.log.info(f"Server is ready at {server.address} for {server.app.cfg.bind}")


def worker_int(worker):
    worker.log.info("worker received INT or QUIT signal")
    names = {thread.ident: thread.name for thread in threading.enumerate()}
    code = []
    for ident, stack in sys._current_frames().items():
        code.append("\n# Thread: %s(%d)" % (names.get(ident, ""), ident))
        for filename, number, name, line in traceback.extract_stack(stack):
            code.append('File: "%s", line %d, in %s' % (filename, number, name))
    worker.log.debug("\n".join(code))


def worker_abort(worker):
    worker.log.info("worker received SIGABRT signal: %s", "".join(traceback.format_stack()))
