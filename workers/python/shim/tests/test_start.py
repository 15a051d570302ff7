"""Start-up: finding the application, choosing the model, failures."""
import subprocess
import sys
import tempfile
import textwrap
import unittest

from .front import WSGI, Front
from .models import EVENT_LOOPS, TORNADO_MODELS, WSGI_MODELS, has

ASGI = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200})
    await send({"type": "http.response.body", "body": b"asgi"})
"""


class Application(unittest.TestCase):
    def started(self, app, **kwargs):
        """The body that an APP answers with, or its failure."""
        with Front(app=app, **kwargs) as front:
            if front.failed:
                self.assertEqual(front.process.wait(10), 3)
                return front.failed
            return bytes(front.call("/").body).decode()

    def test_forms(self):
        named = """
        def make(name):
            def app(environ, start_response):
                start_response('200 OK', [])
                return [name.encode()]
            return app
        app = make("app")
        application = make("application")
        def create(*args, **kwargs):
            return make(repr((args, sorted(kwargs.items()))))
        class holder:
            app = staticmethod(make("held"))
            create = staticmethod(create)
        """
        only_app = "from named import make\napp = make('only app')\n"
        files = {
            "named.py": named, "only.py": only_app, "package/__init__.py": "", "package/inner.py": "from . import other\nfrom named import make\napp = make(other.NAME)\n",
            "package/other.py": "NAME = 'relative'", "folder/script.py": "import beside\nfrom named import make\napp = make(beside.NAME)\n",
            "folder/beside.py": "NAME = 'beside'",
        }
        for app, expected in (
            ("named", "application"), ("named:app", "app"), ("only", "only app"), ("named:create()", "((), [])"),
            ("named:create('a', 2, debug=True)", "(('a', 2), [('debug', True)])"), ("named:holder.app", "held"),
            ("named:holder.create([1])", "(([1],), [])"), ("named.py", "application"), ("named.py:app", "app"),
            ("named.py:create(1)", "((1,), [])"), ("package.inner:app", "relative"), ("package/inner.py", "relative"),
            ("./package/inner.py:app", "relative"), ("folder/script.py", "beside"),
        ):
            with self.subTest(app=app):
                self.assertEqual(self.started(app, files=files), expected)

    def test_relative_folder(self):
        """A Go program may give one; the command line makes it absolute."""
        self.assertEqual(self.started("inner:app", files={"folder/inner.py": WSGI}, chdir="folder"), "wsgi")

    def test_failures(self):
        files = {
            "raises.py": "import raises_inner\n", "raises_inner.py": "def f():\n    raise RuntimeError('at import')\nf()\n",
            "syntax.py": "def broken(:\n", "missing.py": "import no_such_library_of_anyone\n", "exits.py": "import sys; sys.exit(1)\n",
            "empty.py": "x = 1\n", "factory.py": WSGI + "def create_app():\n    return app\ndef needs(name):\n    return app\ndel application\ndel app\n",
            "near.py": WSGI + "def create_app(name): return app\nclass box:\n    app = staticmethod(app)\ndef print_nothing(): pass\n",
            "misspelt.py": WSGI + "aplication = app\ndel application, app\n", "parent/__init__.py": "", "parent/child.py": WSGI,
            "classes.py": "class App:\n    def __init__(self):\n        pass\n    async def __call__(self, s, r, t):\n        pass\n",
        }
        failures = {}
        for app, phase, kind, message, hint in (
            ("nowhere:app", "import", "ModuleNotFoundError", "no module named 'nowhere'", "--chdir"),
            ("nowhere.deep:app", "import", "ModuleNotFoundError", "no module named 'nowhere'", "--chdir"),
            ("nowhere.py", "import", "ModuleNotFoundError", "there is no file", ""),
            ("no/where.py", "import", "FileNotFoundError", "there is no file", ""),
            ("raises:app", "import", "RuntimeError", "at import", ""),
            ("syntax:app", "import", "SyntaxError", "SyntaxError", ""),
            ("missing:app", "import", "ModuleNotFoundError", "no_such_library_of_anyone", "install"),
            ("exits:app", "import", "SystemExit", "SystemExit: 1", ""),
            ("empty:x", "import", "TypeError", "not callable", ""),
            ("empty:y", "import", "AttributeError", "no attribute 'y'", "empty:ATTRIBUTE"),
            ("near:ap", "import", "AttributeError", "no attribute 'ap'", "did you mean near:app?"),
            ("near.py:ap", "import", "AttributeError", "no attribute 'ap'", "did you mean near.py:app?"),
            ("near:create_ap('x')", "import", "AttributeError", "no attribute 'create_ap'", "did you mean near:create_app()?"),
            ("near:box.ap", "import", "AttributeError", "no attribute 'box.ap'", "did you mean near:box.app?"),
            ("misspelt", "import", "AttributeError", "'application' or 'app'", "did you mean misspelt:aplication?"),
            ("neer:app", "import", "ModuleNotFoundError", "no module named 'neer'", "did you mean near?"),
            ("near.app", "import", "ModuleNotFoundError", "no module named 'near.app'", "did you mean near:app?"),
            ("near.nothing", "import", "ModuleNotFoundError", "no module named 'near.nothing'", "--chdir"),
            ("near:print_nothing()", "import", "TypeError", "print_nothing() returned None", "return"),
            ("parent.chidl:app", "import", "ModuleNotFoundError", "no module named 'parent.chidl'", "did you mean parent.child?"),
            ("empty", "import", "AttributeError", "'application' or 'app'", "empty:ATTRIBUTE"),
            ("factory", "import", "AttributeError", "'application' or 'app'", "factory:create_app()"),
            ("factory:create_app", "import", "TypeError", "factory", "()"),
            ("factory:needs", "import", "TypeError", "one argument", ""),
            ("factory:needs()", "import", "TypeError", "needs()", ""),
            ("factory:needs(open)", "import", "SyntaxError", "literal", ""),
            ("factory:1+1", "import", "SyntaxError", "literal", ""),
            ("classes:App", "import", "TypeError", "class", "()"),
            (":app", "import", "import", "module", ""),
        ):
            with self.subTest(app=app):
                failed = failures[app] = self.started(app, files=files)
                self.assertIsInstance(failed, dict)
                self.assertEqual((failed["phase"], failed["kind"]), (phase, kind), failed)
                self.assertIn(message, failed["message"])
                self.assertNotIn("\n", failed["message"])
                self.assertIn(hint, failed["hint"])
        failed = failures["raises:app"]
        self.assertIn("raises_inner.py", failed["traceback"])
        self.assertNotIn("asteri_worker", failed["traceback"])
        self.assertNotIn("importlib", failed["traceback"])

    def test_missing_modules_of_the_application(self):
        """What the application calls its own is not to be had by pip."""
        files = {
            "site1/__init__.py": "", "site1/settings.py": "", "site1/bare.py": "raise ModuleNotFoundError('by hand')",
            "site1/wsgi.py": "import importlib, os\nimportlib.import_module(os.environ['DJANGO_SETTINGS_MODULE'])\n" + WSGI,
            "site1/modles.py": "import site1.setings\n", "site1/far.py": "import site1.nothing_like_it\n",
        }
        for app, settings, hint in (
            ("site1.wsgi", "site1.setings", "DJANGO_SETTINGS_MODULE is 'site1.setings', which is not on the import path; did you mean site1.settings?"),
            ("site1.wsgi", "config.settings", "DJANGO_SETTINGS_MODULE is 'config.settings', which is not on the import path"),
            ("site1.wsgi", "site1.production", "DJANGO_SETTINGS_MODULE is 'site1.production', which"),
            ("site1.modles", "site1.settings", "did you mean site1.settings?"),
            ("site1.far", "site1.settings", "there is no such module in site1"),
            ("site1.bare", "site1.settings", ""),
        ):
            with self.subTest(app=app, settings=settings):
                failed = self.started(app, files=files, prelude="import os\nos.environ['DJANGO_SETTINGS_MODULE'] = %r\n" % settings)
                self.assertEqual((failed["phase"], failed["kind"]), ("import", "ModuleNotFoundError"), failed)
                self.assertIn(hint, failed["hint"])
                self.assertNotIn("install", failed["hint"])
        failed = self.started("site1.wsgi", files=dict(files, **{"site1/settings.py": "import no_such_library_of_anyone"}),
                              prelude="import os\nos.environ['DJANGO_SETTINGS_MODULE'] = 'site1.settings'\n")
        self.assertIn("install what provides 'no_such_library_of_anyone'", failed["hint"])

    def test_python_that_is_too_old(self):
        failed = self.started("fixture:app", source=WSGI, prelude="import sys\nsys.version_info = (3, 8, 18)\n")
        self.assertEqual(failed["kind"], "version")
        self.assertIn("this is Python", failed["message"])
        self.assertIn("3.9 or later", failed["hint"])

    def test_python_without_its_lock(self):
        failed = self.started("fixture:app", source=WSGI, prelude="import sys\nsys._is_gil_enabled = lambda: False\n")
        self.assertEqual(failed["phase"], "combination")
        self.assertIn("runs without its interpreter lock", failed["message"])
        self.assertIn("PYTHON_GIL=1", failed["hint"])
        with Front(WSGI) as front:
            self.assertEqual(front.ready["free_threaded"], "t" in sys.abiflags)

    def test_annotations_for_type_checkers(self):
        """From Python 3.14 on they are evaluated when somebody asks for a signature, and their names are not there."""
        annotated = """
            from __future__ import annotations
            from typing import TYPE_CHECKING
            if TYPE_CHECKING:
                from nowhere import Environ, Start, Scope
            %s
            """
        wsgi = """
            def app(environ: Environ, start_response: Start) -> list[Nothing]:
                start_response("200 OK", [])
                return [b"wsgi"]
            """
        asgi = """
            class App:
                async def __call__(self, scope: Scope, receive: 1 / 0, send: Scope.absent) -> None:
                    await send({"type": "http.response.start", "status": 200})
                    await send({"type": "http.response.body", "body": b"asgi"})
            app = App()
            """
        two = """
            def app(scope: Scope):
                async def run(receive: Scope, send: Scope):
                    await send({"type": "http.response.start", "status": 200})
                    await send({"type": "http.response.body", "body": b"two"})
                return run
            """
        for source, model, body in ((wsgi, "", "wsgi"), (wsgi, "asgi", "wsgi"), (asgi, "", "asgi"), (two, "asgi", "two")):
            with self.subTest(body=body, model=model):
                text = textwrap.dedent(annotated % "") + textwrap.dedent(source)
                if sys.version_info >= (3, 14):
                    text = text.replace("from __future__ import annotations\n", "")
                self.assertEqual(self.started("fixture:app", source=text, model=model), body)

    def test_detection(self):
        files = {
            "shapes.py": """
            import functools
            def plain(environ, start_response):
                start_response("200 OK", []); return [b"wsgi"]
            class Instance:
                def __call__(self, environ, start_response):
                    return plain(environ, start_response)
            instance = Instance()
            method = instance.__call__
            class Iterable:
                def __init__(self, environ, start_response):
                    start_response("200 OK", [])
                def __iter__(self):
                    return iter([b"wsgi"])
            def decorate(f):
                @functools.wraps(f)
                def wrapper(*args, **kwargs):
                    return f(*args, **kwargs)
                return wrapper
            wsgi_decorated = decorate(plain)
            async def coroutine(scope, receive, send):
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": b"asgi"})
            asgi_decorated = decorate(coroutine)
            asgi_partial = functools.partial(coroutine)
            class Async:
                async def __call__(self, scope, receive, send):
                    await coroutine(scope, receive, send)
            asgi_instance = Async()
            def returns_coroutine(scope, receive, send):
                return coroutine(scope, receive, send)
            def unknown(*args):
                return coroutine(*args)
            """,
        }
        for name in ("plain", "instance", "method", "Iterable", "wsgi_decorated"):
            with self.subTest(name=name):
                self.assertEqual(self.started("shapes:" + name, files=files), "wsgi")
        for name in ("coroutine", "asgi_decorated", "asgi_partial", "asgi_instance", "returns_coroutine"):
            with self.subTest(name=name):
                self.assertEqual(self.started("shapes:" + name, files=files), "asgi")
        self.assertEqual(self.started("shapes:unknown", files=files, model="asgi"), "asgi")
        self.assertEqual(self.started("shapes:unknown", files=files, interface="asgi"), "asgi")

    WRAPPED = {
        "wrapped.py": """
        def wrap(f):
            return lambda *args, **kwargs: f(*args, **kwargs)
        def plain(environ, start_response):
            if environ["PATH_INFO"] == "/broken":
                raise TypeError("of its own")
            start_response("200 OK", [])
            return [b"wsgi"]
        async def coroutine(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200})
            await send({"type": "http.response.body", "body": b"asgi"})
        wsgi, asgi = wrap(plain), wrap(coroutine)
        def unpacks(*args):
            environ, start_response = args
            return plain(environ, start_response)
        either = lambda *args: coroutine(*args, None) if len(args) == 2 else [b"x"]
        """,
    }

    def test_interface_that_nothing_tells(self):
        for app, model, interface, expected in (
            ("wsgi", "", "auto", "wsgi"), ("wsgi", "asgi", "wsgi", "wsgi"), ("wsgi", "sync", "wsgi", "wsgi"),
            ("asgi", "asgi", "auto", "asgi"), ("asgi", "", "asgi", "asgi"),
        ):
            with self.subTest(app=app, model=model, interface=interface):
                with Front(app="wrapped:" + app, files=self.WRAPPED, model=model, interface=interface) as front:
                    self.assertEqual(bytes(front.call("/").body).decode(), expected)
                    self.assertEqual("--interface" in front.ready["why"], interface == "auto")
                    if (model, interface) == ("", "auto"):  # a guess that was right is not doubted
                        self.assertEqual(front.call("/broken").error[0], "TypeError: of its own")

    def test_wrong_guess_names_the_option(self):
        for app in ("wsgi", "unpacks", "either"):
            with self.subTest(app=app):
                failed = self.started("wrapped:" + app, files=self.WRAPPED, model="asgi")
                self.assertEqual(failed["phase"], "startup")
                self.assertIn("use --interface wsgi", failed["message"])
                with Front(app="wrapped:" + app, files=self.WRAPPED, model="asgi", lifespan="off") as front:
                    self.assertIn("use --interface wsgi", front.call("/").error[0])
        for app in ("asgi", "either"):
            with self.subTest(app=app), Front(app="wrapped:" + app, files=self.WRAPPED) as front:
                for _ in range(2):
                    self.assertIn("use --interface asgi", front.call("/").error[0])

    def test_interface_that_was_said(self):
        failed = self.started("wrapped:asgi", files=self.WRAPPED, interface="asgi", model="sync")
        self.assertEqual((failed["phase"], failed["hint"]), ("combination", "use -k asgi"))


class Models(unittest.TestCase):
    def test_automatic(self):
        cases = [(WSGI, 1, "wsgi", "sync"), (WSGI, 4, "wsgi", "gthread"), (ASGI, 4, "asgi", "asgi")]
        if has("tornado"):
            cases.append(("import tornado.web\napp = tornado.web.Application([])", 1, "tornado", "tornado"))
        for source, threads, interface, model in cases:
            with self.subTest(model=model), Front(source, threads=threads) as front:
                self.assertEqual((front.ready["interface"], front.ready["model"]), (interface, model))
                self.assertIn("runs under " + model, front.ready["why"])
                self.assertEqual(front.ready["pid"], front.process.pid)

    def test_loop_at_import(self):
        """What an application gives the event loop while it is imported is not lost with another loop."""
        asgi = """
            import asyncio, warnings
            warnings.simplefilter("ignore")
            loop = asyncio.get_event_loop()
            came = loop.create_future()
            loop.call_soon(lambda: came.set_result(b"came"))
            lock = asyncio.Lock()
            async def app(scope, receive, send):
                async with lock:
                    body = await asyncio.wait_for(came, 5)
                await send({"type": "http.response.start", "status": 200})
                await send({"type": "http.response.body", "body": body})
            """
        tornado = """
            import tornado.web
            from tornado.ioloop import IOLoop, PeriodicCallback
            from tornado.locks import Event
            came = Event()
            class Handler(tornado.web.RequestHandler):
                async def get(self):
                    await came.wait(IOLoop.current().time() + 5)
                    self.write("came")
            def make_app():
                PeriodicCallback(came.set, 10).start()
                return tornado.web.Application([("/", Handler)])
            app = make_app()
            """
        cases = [(asgi, model, loop) for model in ("", "asgi") for loop in ["auto", *EVENT_LOOPS]]
        cases += [(tornado, model, "auto") for model in ["", *TORNADO_MODELS] if TORNADO_MODELS]
        for source, model, loop in cases:
            with self.subTest(model=model, loop=loop), Front(source, model, lifespan="off", loop=loop) as front:
                self.assertEqual(bytes(front.call("/", headers=[("Host", "example.org")]).body), b"came")

    def test_loop_at_import_of_others(self):
        """An application that no event loop serves may have one of its own in the same way. Nobody warns of it, and no worker
        imports asyncio for it."""
        source = """
            import asyncio, sys
            loop = asyncio.get_event_loop()
            async def answer():
                return type(loop).__module__.partition(".")[0].encode()
            def app(environ, start_response):
                start_response("200 OK", [])
                return [loop.run_until_complete(answer())]
            """
        for model in ("", "sync"):
            for loop in ("auto", *EVENT_LOOPS):
                with self.subTest(model=model, loop=loop), Front(source, model, loop=loop, threads=1) as front:
                    self.assertEqual(bytes(front.call("/").body).decode(), "asyncio" if loop == "auto" else loop)
                    self.assertEqual(front.output(), "")
        plain = """
            import sys
            def app(environ, start_response):
                start_response("200 OK", [])
                return [repr([name for name in ("asyncio", "multiprocessing") if name in sys.modules]).encode()]
            """
        with Front(plain, threads=1) as front:
            self.assertEqual(bytes(front.call("/").body), b"[]")

    def test_loop_after_the_import(self):
        """Who imports asyncio later only finds it as Python has it."""
        source = """
            def app(environ, start_response):
                import asyncio, warnings
                warnings.simplefilter("ignore")
                start_response("200 OK", [])
                try:
                    return [type(asyncio.get_event_loop()).__module__.partition(".")[0].encode()]
                except RuntimeError:
                    return [b"none"]
            """
        for model in ("", "sync"):
            for loop in ("auto", *EVENT_LOOPS):
                with self.subTest(model=model, loop=loop), Front(source, model, loop=loop, threads=1) as front:
                    self.assertEqual(bytes(front.call("/").body), b"asyncio" if sys.version_info < (3, 14) else b"none")

    def test_combinations_that_cannot_work(self):
        tornado = "import tornado.web\napp = tornado.web.Application([])"
        cases = [(ASGI, m, "-k asgi") for m in WSGI_MODELS if m != "asgi"]
        if has("tornado"):
            cases += [(tornado, m, "-k tornado or -k gtornado") for m in WSGI_MODELS if "tornado" not in m]
        for source, model, hint in cases:
            with self.subTest(model=model), Front(source, model) as front:
                self.assertEqual((front.failed["phase"], front.failed["hint"]), ("combination", "use " + hint))
                self.assertIn("cannot run under " + model, front.failed["message"])
                self.assertEqual(front.process.wait(10), 3)

    def test_missing_libraries(self):
        with tempfile.TemporaryDirectory() as home:
            subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
            for model, library in (("gevent", "gevent"), ("tornado", "tornado"), ("gtornado", "tornado gevent")):
                with self.subTest(model=model), Front(WSGI, model, python=home + "/bin/python") as front:
                    self.assertEqual((front.failed["phase"], front.failed["hint"]), ("library", "pip install " + library))
            for check in (False, True):
                with Front(ASGI, "asgi", loop="uvloop", check=check, python=home + "/bin/python") as front:
                    self.assertEqual((front.failed["phase"], front.failed["hint"]), ("library", "pip install uvloop"))
            for model, source in (("sync", WSGI), ("gthread", WSGI), ("asgi", ASGI)):
                with Front(source, model, python=home + "/bin/python") as front:
                    self.assertEqual(front.call("/").status, 200)

    def test_broken_libraries(self):
        broken = {"gevent/__init__.py": "raise ImportError('built for another Python')", "tornado/__init__.py": ""}
        for model in ("gevent", "gtornado"):
            with self.subTest(model=model), Front(WSGI, model, files=broken) as front:
                self.assertEqual(front.failed["phase"], "library")
                self.assertIn("%s cannot run: ImportError: built for another Python" % model, front.failed["message"])

    def test_check(self):
        with Front(WSGI, check=True) as front:
            self.assertEqual((front.ready["interface"], front.process.wait(10)), ("wsgi", 0))
        with Front("raise ValueError('x')", check=True) as front:
            self.assertEqual((front.failed["kind"], front.process.wait(10)), ("ValueError", 3))

    def test_unknown_version(self):
        with Front(WSGI, version=99) as front:
            self.assertEqual((front.failed["phase"], front.process.wait(10)), ("handshake", 3))
