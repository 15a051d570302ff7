"""Applications that go wrong, hang, die, or are very large."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from urllib.parse import parse_qs

PIECE = b"0123456789abcdef" * 4096  # 64 KiB


def app(environ, start_response):
    handler = ROUTES[environ["PATH_INFO"]]
    arguments = {key: values[-1] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    return handler(environ, start_response, **arguments)


def text(start_response, body):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]


def pid(environ, start_response):
    return text(start_response, str(os.getpid()))


def signal_file(path):
    """Tell the test that this point was reached."""
    with open(path, "a") as file:
        file.write(f"{os.getpid()}\n")


def hold(environ, start_response, entered, leave):
    """Run until the file `leave` appears: a request whose length the test decides."""
    signal_file(entered)
    until = time.monotonic() + 60
    while not os.path.exists(leave) and time.monotonic() < until:
        time.sleep(0.01)
    return text(start_response, "held")


def die_once(environ, start_response, entered):
    """The first call kills its own process, as the kernel would for memory; the second answers."""
    first = not os.path.exists(entered)
    signal_file(entered)
    if first:
        os.kill(os.getpid(), 9)
    return text(start_response, f"survived in {os.getpid()}")


def orphan(environ, start_response):
    """Leave a process that ends once it has no parent any more."""
    script = "(while kill -0 $$ 2>/dev/null; do :; done) & echo $!"
    with subprocess.Popen(["sh", "-c", script], stdout=subprocess.PIPE, text=True) as shell:
        return text(start_response, shell.stdout.readline().strip())


def exists(environ, start_response, pid):
    return text(start_response, str(os.path.exists("/proc/" + pid)))


def leave(environ, start_response):
    """A call to exit() in a view."""
    sys.exit(4)


def die_midway(environ, start_response, length=""):
    headers = [("Content-Type", "text/plain")]
    if length:
        headers.append(("Content-Length", length))
    start_response("200 OK", headers)
    yield PIECE
    yield PIECE
    time.sleep(0.05)  # the first pieces may travel
    os._exit(9)


def leaving(run):
    """Tell the test by what exception a call was ended."""

    def call(environ, start_response, entered):
        signal_file(entered)
        try:
            run()
        except BaseException as error:
            with open(entered + ".left", "w") as file:
                file.write(f"{type(error).__name__}: {error}")
            raise

    return call


@leaving
def hang():
    threading.Event().wait(3600)


@leaving
def spin():
    """A hang that never gives up the processor."""
    while True:
        pass


def deaf(environ, start_response, entered):
    """One that no exception ends."""
    signal_file(entered)
    while True:
        try:
            threading.Event().wait(3600)
        except BaseException:
            pass


def large(environ, start_response, n):
    """n bytes, made piece by piece."""
    left = int(n)
    start_response("200 OK", [("Content-Type", "application/octet-stream"), ("Content-Length", n)])
    while left > 0:
        piece = PIECE[:left]
        left -= len(piece)
        yield piece


def digest(environ, start_response):
    state = hashlib.sha256()
    size = 0
    while piece := environ["wsgi.input"].read(65536):
        state.update(piece)
        size += len(piece)
    return text(start_response, f"{size} {state.hexdigest()}")


def spawn(environ, start_response):
    """Leave a child of the application running, as task runners do."""
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"])
    return text(start_response, str(child.pid))


ROUTES = {
    "/orphan": orphan, "/exists": exists,
    "/pid": pid, "/hold": hold, "/die-once": die_once, "/exit": leave, "/die-midway": die_midway,
    "/hang": hang, "/spin": spin, "/deaf": deaf, "/large": large, "/digest": digest, "/spawn": spawn,
}
