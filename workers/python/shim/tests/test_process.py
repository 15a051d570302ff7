"""What the process leaves the application, how it hears of the front, and how it ends."""
import signal
import subprocess
import sys
import unittest
from marshal import dumps, loads

from .front import PING, PONG, STACK, STACKS, STOP, WSGI, Front
from .models import WSGI_MODELS
from .program import BOOT, COMPILED, COMPILER, SOURCE_ONLY, SOURCES, THIS_PYTHON


class Process(unittest.TestCase):
    SOURCE = """
    import atexit, multiprocessing, os, signal, subprocess, sys
    atexit.register(lambda pid=os.getpid(): open("left-%d" % pid, "w").close())
    AT_IMPORT = (list(sys.argv), list(sys.path), sorted(os.environ), os.getcwd())
    def links():
        # The sockets among a process's first descriptors, by what they point to.
        found = []
        for fd in (3, 4):
            try:
                found.append(os.readlink("/proc/self/fd/%d" % fd))
            except OSError:
                found.append("")
        return found
    OWN = links()
    def child(queue, own):
        queue.put([name for name in links() if name in own])
    def app(environ, start_response):
        start_response("200 OK", [])
        name = environ["PATH_INFO"].strip("/")
        if name == "import":
            return [repr(AT_IMPORT).encode()]
        if name == "exec":
            out = subprocess.check_output([sys.executable, "-c",
                "import os, signal; print([os.readlink(f) for f in ('/proc/self/fd/%d' % n for n in range(20))"
                " if os.path.lexists(f)], signal.getsignal(2) is signal.default_int_handler,"
                " signal.getsignal(15) is signal.SIG_DFL)"]).decode()
            return [repr(([n for n in OWN if n in out], out.split("] ")[1].split())).encode()]
        if name == "fork":
            pid = os.fork()
            if not pid:
                held = [n for n in links() if n in OWN]
                ok = not held and signal.getsignal(15) is signal.SIG_DFL
                os._exit(0 if ok else 1)
            return [str(os.waitpid(pid, 0)[1]).encode()]
        if name in ("spawn", "forkserver"):
            context = multiprocessing.get_context(name)
            queue = context.Queue()
            process = context.Process(target=child, args=(queue, OWN))
            process.start()
            held = queue.get(timeout=20)
            process.join()
            return [repr((held, process.exitcode)).encode()]
        if name == "stdin":
            return [repr(sys.stdin.read()).encode()]
        if name == "print":
            print("to stdout")
            print("to stderr", file=sys.stderr)
            return [b""]
        if name == "logging":
            import logging
            logging.getLogger("mine").warning("a warning")
            return [repr(logging.getLogger().handlers).encode()]
        return [b"ok"]
    """

    def test_no_trace(self):
        with Front(self.SOURCE, "sync", pythonpath=["/extra/one", "/extra/two"]) as front:
            argv, path, environment, directory = eval(front.call("/import").body)
            self.assertEqual((argv, directory), (["asteri-loop"], front.directory))
            self.assertEqual(path[:3], [front.directory, "/extra/one", "/extra/two"])
            self.assertFalse([entry for entry in path if "asteri" in entry and entry != front.directory])
            self.assertFalse([name for name in environment if "ASTERI" in name])

    def test_program_on_standard_input_and_atexit(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(self.SOURCE, model, program=SOURCE_ONLY) as front:
                self.assertEqual(bytes(front.call("/stdin").body), b"''")
                self.assertEqual(eval(front.call("/spawn").body)[1], 0)
                self.assertEqual((front.shutdown(), front.output()), (0, ""))
                self.assertTrue(front.exists("left-%d" % front.process.pid), "atexit")

    def test_modules_beside_the_application_do_not_stand_in(self):
        mine = "raise RuntimeError('mine')"
        with Front(WSGI, "sync", files={"socket.py": mine, "asteri_worker.py": mine, "traceback.py": mine}) as front:
            self.assertEqual(front.call("/").status, 200)

    def test_stacks_show_the_lines_of_the_shim(self):
        with Front(self.SOURCE, "sync") as front:
            front.control_frame(STACK, 0)
            self.assertIn("model.run(worker)", "".join(front.reply(STACKS).values()))

    def test_children_do_not_hold_the_link(self):
        for model in ("sync", "gthread", "asgi"):
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                self.assertEqual(eval(front.call("/exec").body), ([], ["True", "True"]))
                self.assertEqual(bytes(front.call("/fork").body), b"0")
                self.assertEqual(eval(front.call("/spawn").body), ([], 0))
                self.assertEqual(bytes(front.call("/").body), b"ok")

    def test_children_count(self):
        """In a process that multiprocessing has started anew the application can be imported, with asteri_metrics."""
        source = """
        import multiprocessing
        from asteri_metrics import Counter
        ORDERS = Counter("orders_total", "Orders.")
        def child(queue):
            import asteri_metrics
            ORDERS.inc()
            queue.put((ORDERS.name, asteri_metrics.__spec__.origin))
        def app(environ, start_response):
            context = multiprocessing.get_context(environ["PATH_INFO"].strip("/") or None)
            queue = context.Queue()
            process = context.Process(target=child, args=(queue,))
            process.start()
            told = queue.get(timeout=20)
            process.join()
            start_response("200 OK", [])
            return [repr((told, process.exitcode)).encode()]
        """
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(source, model) as front:
                for method in ("", "fork", "spawn", "forkserver") if model in ("sync", "gthread") else ("spawn",):
                    told = eval(front.call("/" + method).body)
                    self.assertEqual(told, (("orders_total", "<asteri-loop>/asteri_metrics.py"), 0))

    def test_output_and_logging(self):
        with Front(self.SOURCE, "sync") as front:
            self.assertEqual(bytes(front.call("/logging").body), b"[]")
            front.call("/print")
            self.assertEqual(front.output(), "\x1e30\x1f\x1f\x1fmine\x1fa warning\nto stdout\nto stderr\n")

    def test_output_of_requests(self):
        about = (("X-Request-ID", "the-id"), ("traceparent", "00-" + "a" * 32 + "-" + "b" * 16 + "-01"))
        source = """
            import sys
            def app(environ, start_response):
                print("one\\ntwo", end="")
                print(" more")
                print("\x1eforged", file=sys.stderr)
                print("no end", end="", flush=True)
                start_response("200 OK", [])
                return [b"ok"]
        """
        with Front(source, "sync") as front:
            front.call("/", headers=about)
            mark = "\x1e\x1fthe-id\x1f" + "a" * 32 + "\x1f\x1f"
            self.assertEqual(front.output(), mark + "one\n" + mark + "two more\n" + mark + "\\x1eforged\n" + mark + "no end\n")

    def test_signals(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                front.process.send_signal(signal.SIGINT)
                self.assertEqual(bytes(front.call("/").body), b"ok")
                front.process.send_signal(signal.SIGTERM)
                front.wait(lambda: front.retired, "RETIRE")
                self.assertEqual(bytes(front.call("/").body), b"ok")
                self.assertEqual((front.shutdown(), front.output()), (0, ""))

    def test_native_threads_end_first(self):
        source = """
import builtins, os
class Last:
    def __del__(self, listdir=os.listdir, write=os.write):  # when the interpreter is taken apart
        write(1, b"threads %d\\n" % len(listdir("/proc/self/task")))
builtins.last = Last()
"""
        with Front(WSGI + source, "gevent") as front:
            front.process.send_signal(signal.SIGTERM)
            front.wait(lambda: front.retired, "RETIRE")
            self.assertEqual((front.shutdown(), front.output()), (0, "threads 1\n"))

    def test_end_of_the_front(self):
        blocking = "import time\ndef app(e, s):\n open('in', 'w').close()\n while True:\n  time.sleep(1)\n"
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(blocking, model) as front:
                front.start("/")
                front.wait_file("in")
                front.control.shutdown(2)
                self.assertEqual(front.process.wait(10), 0)

    def test_end_of_the_front_during_the_import(self):
        with Front("import time\nopen('in', 'w').close()\nwhile True:\n    time.sleep(1)\n", wait=False) as front:
            front.wait_file("in")
            front.control_frame(PING, raw=b"abcdefgh")
            self.assertEqual(front.reply(PONG), b"abcdefgh")
            front.control_frame(STOP, raw=b"")
            self.assertEqual(front.process.wait(10), 0)

    def test_end_of_the_link(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                front.call("/")
                front.link.shutdown(1)
                self.assertEqual((front.process.wait(10), front.output()), (0, ""))

    def test_code_of_another_python(self):
        code = {path: b"of another" for path in SOURCES}
        for program, compiled in ((COMPILED, False), (SOURCE_ONLY, True), (dumps((SOURCES, code, THIS_PYTHON + b"+"), 4), True)):
            with Front(self.SOURCE, program=program) as front:
                self.assertIs(front.ready["compiled"], compiled)
                self.assertEqual(bytes(front.call("/stdin").body), b"''")

    def test_compiler(self):
        """What makes the code that workers are given."""
        result = subprocess.run([sys.executable, "-I", "-S", "-c", COMPILER.decode()], input=dumps(SOURCES), capture_output=True)
        made_by, code = loads(result.stdout)
        self.assertEqual(made_by, THIS_PYTHON)
        self.assertEqual({path: loads(one).co_filename for path, one in code.items()}, {path: "<asteri-loop>/" + path for path in SOURCES})

    def test_started_by_hand(self):
        result = subprocess.run([sys.executable, "-"], input=BOOT, capture_output=True, close_fds=True)
        self.assertEqual(result.returncode, 1)
        self.assertIn(b"is started by asteri-loop", result.stderr)


if __name__ == "__main__":
    unittest.main()
