"""Children that the application forks have no part in the worker's work."""
import unittest

from .front import Front
from .models import WSGI_MODELS
from .shared import shared

CHILDREN = """
import multiprocessing, os, socket, subprocess, sys, time
try:
    from asteri_metrics import Counter
    COUNT = Counter("children_total", "Children.")
except ImportError:  # in a program of its own, such as a spawned child
    COUNT = None

def links():
    return [os.readlink("/proc/self/fd/%d" % fd) if os.path.lexists("/proc/self/fd/%d" % fd) else "" for fd in (3, 4)]
OWN = links()

def strange(errors=None, own=OWN):
    # A socket of the child's own, and what a child may do that goes to the front in a worker.
    here, there = socket.socketpair()
    found = [name for name in links() if name in own], sorted([here.fileno(), there.fileno()])[0] > 4
    if COUNT is not None:
        COUNT.inc()
    if errors is not None:
        errors.write("said by a child\\n")
        errors.flush()
    there.setblocking(False)
    try:
        return found, there.recv(100)
    except BlockingIOError:
        return found, b""

def tell(queue, errors, own):
    queue.put(strange(errors, own))

def app(environ, start_response):
    name = environ["PATH_INFO"].strip("/")
    start_response("200 OK", [])
    if name == "fork":
        read, write = os.pipe()
        pid = os.fork()
        if not pid:
            os.write(write, repr((strange(environ["wsgi.errors"]), links())).encode())
            os._exit(0)
        os.waitpid(pid, 0)
        return [os.read(read, 1000)]
    if name == "quick":  # a child that has ended before os.fork() returns
        def until_it_has_ended():
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOWAIT)
        os.register_at_fork(after_in_parent=until_it_has_ended)
        pid = os.fork()
        if not pid:
            os._exit(9)
        return [b"%d" % os.WEXITSTATUS(os.waitpid(pid, 0)[1])]
    if name == "full":  # a child that has no descriptor left but those it has
        import resource
        limits, held = resource.getrlimit(resource.RLIMIT_NOFILE), []
        resource.setrlimit(resource.RLIMIT_NOFILE, (64, limits[1]))
        try:
            while True:
                held.append(os.dup(0))
        except OSError:
            pass
        pid = os.fork()
        if not pid:
            os._exit(links() != ["/dev/null"] * 2)
        resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        for fd in held:
            os.close(fd)
        return [str(os.waitpid(pid, 0)[1]).encode()]
    if name in ("mp-fork", "mp-forkserver", "mp-spawn"):
        context = multiprocessing.get_context(name[3:])
        queue = context.Queue()
        errors = environ["wsgi.errors"] if name == "mp-fork" else None
        process = context.Process(target=tell, args=(queue, errors, OWN))
        process.start()
        found = queue.get(timeout=20)
        process.join(20)
        return [repr((found, process.exitcode)).encode()]
    if name == "exec":
        code = "import os; print([os.readlink(f) for f in ('/proc/self/fd/%d' % n for n in range(40)) if os.path.lexists(f)])"
        out = subprocess.check_output([sys.executable, "-c", code], close_fds=False).decode()
        return [repr([n for n in OWN if n in out]).encode()]
    if name in ("return", "exit", "raise"):  # in the child the call comes back to the worker
        pid = os.fork()
        if not pid:
            if name == "exit":
                sys.exit(7)
            if name == "raise":
                raise ValueError("in the child")
            return [b"x" * 10]
        until = time.monotonic() + 20
        while time.monotonic() < until:
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return [b"%d" % os.WEXITSTATUS(status)]
            time.sleep(0.01)
        os.kill(pid, 9)
        return [b"it goes on"]
    return [b"ok"]

async def asgi(scope, receive, send):
    import asyncio
    if scope["type"] != "http":
        raise RuntimeError("no lifespan")
    def start_response(*args):
        return None
    class errors:
        write, flush = sys.stderr.write, sys.stderr.flush
    body = b"".join(app({"PATH_INFO": scope["path"], "wsgi.errors": errors}, start_response))
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


APPS = [(model, "fixture:app") for model in WSGI_MODELS] + [("asgi", "fixture:asgi")]


class Children(unittest.TestCase):
    def test_fork(self):
        for model, app in APPS:
            with self.subTest(model=model, app=app), Front(CHILDREN, model, app=app) as front:
                (held, strange), links = eval(front.call("/fork").body)
                self.assertEqual((held, strange, links), (([], True), b"", ["/dev/null"] * 2))
                self.assertIn("said by a child\n", front.output())
                if model not in ("gevent", "gtornado"):  # gevent needs descriptors of its own after a fork
                    self.assertEqual(bytes(front.call("/full").body), b"0")
                self.assertEqual(bytes(front.call("/").body), b"ok")
                self.assertEqual((front.shutdown(), front.logs), (0, [r for r in front.logs if "said" not in r[2]]))

    def test_multiprocessing(self):
        for model, app in APPS:
            with self.subTest(model=model, app=app), shared(CHILDREN, model, app=app) as front:
                found, status = eval(front.call("/mp-fork").body)
                self.assertEqual((found, status), ((([], True), b""), 0))
                for name in ("mp-spawn", "mp-forkserver"):
                    found, status = eval(front.call("/" + name).body)
                    self.assertEqual((found[0][0], found[1]), ([], b""))
                    # gevent's loop waits for every child, and loses the status of those that gevent has not forked, if it
                    # comes before multiprocessing does: no matter who runs the loop.
                    self.assertIn(status, (0, None) if model in ("gevent", "gtornado") else (0,))
                self.assertEqual(bytes(front.call("/").body), b"ok")

    def test_programs(self):
        for model, app in APPS:
            with self.subTest(model=model, app=app), shared(CHILDREN, model, app=app) as front:
                self.assertEqual(bytes(front.call("/exec").body), b"[]")

    def test_a_child_that_ends_at_once(self):
        for model, app in APPS:
            with self.subTest(model=model, app=app), Front(CHILDREN, model, app=app) as front:
                self.assertEqual(bytes(front.call("/quick").body), b"9")

    def test_a_call_that_comes_back_in_a_child(self):
        for model, app in APPS:
            with self.subTest(model=model, app=app), Front(CHILDREN, model, app=app) as front:
                for name, status in (("return", b"0"), ("exit", b"7"), ("raise", b"1")):
                    self.assertEqual(bytes(front.call("/" + name).body), status, name)
                self.assertIn("ValueError: in the child", front.output())
                self.assertEqual(front.shutdown(), 0)


if __name__ == "__main__":
    unittest.main()
