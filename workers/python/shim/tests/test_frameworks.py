"""Flask and Django under every model, FastAPI under asgi."""
import tempfile
import textwrap
import unittest

from .front import ANSWERS, FILE, Front
from .models import EVENT_LOOPS, WSGI_MODELS, has

HOST = [("Host", "localhost")]


@unittest.skipUnless(has("flask"), "needs flask")
class Flask(unittest.TestCase):
    SOURCE = """
    from flask import Flask, Response, request, send_file, session, stream_with_context
    app = Flask(__name__)
    app.secret_key = "secret"

    @app.route("/")
    def index():
        return "Hello, World!"

    @app.route("/form", methods=["POST"])
    def form():
        return {"form": request.form.to_dict(), "files": {k: len(f.read()) for k, f in request.files.items()}}

    @app.route("/stream")
    def stream():
        def pieces():
            for i in range(3):
                yield "%s%d " % (request.args["name"], i)
        return Response(stream_with_context(pieces()))

    @app.route("/file")
    def file():
        return send_file("data", mimetype="text/plain")

    @app.route("/count")
    def count():
        session["n"] = session.get("n", 0) + 1
        return str(session["n"])

    @app.route("/error")
    def error():
        raise ValueError("oops")

    @app.route("/later")
    def later():
        response = Response("now")
        response.call_on_close(lambda: open("closed", "w").close())
        return response
    """

    def test_flask(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                stream = front.call("/", headers=HOST)
                self.assertEqual((bytes(stream.body), stream.kinds[0]), (b"Hello, World!", ANSWERS))
                body = (b'--b\r\nContent-Disposition: form-data; name="a"\r\n\r\n1\r\n--b\r\nContent-Disposition: form-data; '
                        b'name="f"; filename="f.bin"\r\n\r\n' + b"f" * 100000 + b"\r\n--b--\r\n")
                headers = HOST + [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(body)))]
                expected = {"form": {"a": "1"}, "files": {"f": 100000}}
                self.assertEqual(eval(front.call("/form", method="POST", body=body, headers=headers).body), expected)
                self.assertEqual(eval(front.call_with_file(body, path="/form", headers=headers).body), expected)
                # Without Content-Length: wsgi.input_terminated says that the end of the body is the end of the input.
                self.assertEqual(eval(front.call("/form", method="POST", body=body, headers=headers[:2]).body), expected)
                self.assertEqual(bytes(front.call("/stream", query="name=x", headers=HOST).body), b"x0 x1 x2 ")
                with open(front.directory + "/data", "wb") as f:
                    f.write(b"d" * 200000)
                stream = front.call("/file", headers=HOST)
                self.assertEqual((bytes(stream.body), FILE in stream.kinds), (b"d" * 200000, True))
                cookie = front.call("/count", headers=HOST).header("set-cookie")[0].split(";")[0]
                self.assertEqual(bytes(front.call("/count", headers=HOST + [("Cookie", cookie)]).body), b"2")
                self.assertEqual(front.call("/error", headers=HOST).status, 500)
                front.wait(lambda: any("ValueError: oops" in m for _, _, m, _ in front.logs), "the traceback")
                self.assertEqual(bytes(front.call("/later", headers=HOST).body), b"now")
                front.wait_file("closed")
                self.assertEqual(front.shutdown(), 0)


@unittest.skipUnless(has("django"), "needs django")
class Django(unittest.TestCase):
    SOURCE = """
    import os, sys
    from django.conf import settings
    settings.configure(
        DEBUG=False, ALLOWED_HOSTS=["*"], SECRET_KEY="x" * 50, ROOT_URLCONF="fixture", DEFAULT_AUTO_FIELD="django.db.models.AutoField",
        INSTALLED_APPS=["django.contrib.admin", "django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions",
                        "django.contrib.messages"],
        MIDDLEWARE=["django.middleware.common.CommonMiddleware", "django.contrib.sessions.middleware.SessionMiddleware",
                    "django.middleware.csrf.CsrfViewMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware",
                    "django.contrib.messages.middleware.MessageMiddleware"],
        TEMPLATES=[{"BACKEND": "django.template.backends.django.DjangoTemplates", "APP_DIRS": True, "OPTIONS": {"context_processors": [
            "django.template.context_processors.request", "django.contrib.auth.context_processors.auth",
            "django.contrib.messages.context_processors.messages"]}}],
        DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": DATABASE}},
        PASSWORD_HASHERS=["django.contrib.auth.hashers.MD5PasswordHasher"],
    )
    import django
    django.setup()
    from django.contrib import admin
    from django.contrib.auth.models import User
    from django.core.management import call_command
    from django.core.wsgi import get_wsgi_application
    from django.core.asgi import get_asgi_application
    from django.http import FileResponse, HttpResponse, StreamingHttpResponse
    from django.urls import path
    if not os.path.exists(DATABASE):
        call_command("migrate", verbosity=0)
        User.objects.create_superuser("admin", "a@example.org", "password")
    from django.db import connection
    connection.close()

    def stream(request):
        return StreamingHttpResponse(iter(["a", "b", "c"]))

    def upload(request):
        return HttpResponse(str(request.FILES["f"].size))
    upload.csrf_exempt = True

    def file(request):
        return FileResponse(open("data", "rb"))

    urlpatterns = [path("admin/", admin.site.urls), path("stream", stream), path("upload", upload), path("file", file)]
    app = get_wsgi_application()
    asgi = get_asgi_application()
    """

    @classmethod
    def setUpClass(cls):
        """The first worker makes the database for all, which takes longer than all the rest."""
        directory = tempfile.TemporaryDirectory()
        cls.addClassCleanup(directory.cleanup)
        cls.source = "DATABASE = %r\n" % (directory.name + "/db.sqlite3") + textwrap.dedent(cls.SOURCE)

    def exercise(self, front):
        page = front.call("/admin/login/", headers=HOST)
        self.assertEqual(page.status, 200, page.error)
        cookie = page.header("set-cookie")[0].split(";")[0]
        form = "csrfmiddlewaretoken=%s&username=admin&password=password&next=/admin/" % cookie.partition("=")[2]
        headers = HOST + [("Cookie", cookie), ("Content-Type", "application/x-www-form-urlencoded"), ("Content-Length", str(len(form)))]
        login = front.call("/admin/login/", method="POST", body=form.encode(), headers=headers)
        self.assertEqual((login.status, login.header("location")), (302, ["/admin/"]))
        cookies = sorted(c.strip().split("=")[0] for c in login.header("set-cookie"))
        self.assertEqual(cookies, ["csrftoken", "sessionid"])
        session = "; ".join(c.strip().split(";")[0] for c in login.header("set-cookie"))
        self.assertIn(b"Site administration", front.call("/admin/", headers=HOST + [("Cookie", session)]).body)
        self.assertEqual(bytes(front.call("/stream", headers=HOST).body), b"abc")
        body = b'--b\r\nContent-Disposition: form-data; name="f"; filename="f"\r\n\r\n' + b"f" * 50000 + b"\r\n--b--\r\n"
        headers = HOST + [("Content-Type", "multipart/form-data; boundary=b"), ("Content-Length", str(len(body)))]
        self.assertEqual(bytes(front.call("/upload", method="POST", body=body, headers=headers).body), b"50000")
        with open(front.directory + "/data", "wb") as f:
            f.write(b"d" * 200000)
        stream = front.call("/file", headers=HOST)
        self.assertEqual(bytes(stream.body), b"d" * 200000)
        return stream

    def test_wsgi(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(self.source, model) as front:
                self.assertIsNone(front.failed)
                self.assertIn(FILE, self.exercise(front).kinds)
                self.assertEqual(front.shutdown(), 0)

    def test_asgi(self):
        with Front(self.source, app="fixture:asgi") as front:
            self.assertEqual(front.ready["interface"], "asgi")
            self.exercise(front)


@unittest.skipUnless(has("starlette", "fastapi"), "needs starlette and fastapi")
class FastAPI(unittest.TestCase):
    def test_fastapi(self):
        source = """
        import asyncio, contextlib
        from fastapi import BackgroundTasks, Depends, FastAPI, Request
        from starlette.responses import FileResponse, StreamingResponse

        @contextlib.asynccontextmanager
        async def lifespan(app):
            yield {"greeting": "hello"}

        app = FastAPI(lifespan=lifespan)

        def in_thread():
            return 42

        @app.get("/")
        async def index(request: Request, n: int = Depends(in_thread)):
            return {"greeting": request.state.greeting, "n": n}

        @app.get("/sync")
        def sync():
            return "thread"

        @app.post("/json")
        async def json(data: dict):
            return data

        @app.get("/stream")
        async def stream():
            async def pieces():
                for i in range(3):
                    yield "data: %d\\n\\n" % i
                    await asyncio.sleep(0)
            return StreamingResponse(pieces(), media_type="text/event-stream")

        @app.get("/file")
        async def file():
            return FileResponse("fixture.py")

        @app.get("/background")
        async def background(tasks: BackgroundTasks):
            tasks.add_task(lambda: open("ran", "w").close())
            return "ok"

        @app.get("/error")
        async def error():
            raise ValueError("oops")
        """
        for loop in EVENT_LOOPS:
            with self.subTest(loop=loop), Front(source, loop=loop) as front:
                host = [("Host", "x")]
                self.assertTrue(front.ready["lifespan"])
                self.assertEqual(eval(front.call("/", headers=host).body), {"greeting": "hello", "n": 42})
                self.assertEqual(bytes(front.call("/sync", headers=host).body), b'"thread"')
                stream = front.call("/json", method="POST", body=b'{"a": 1}', headers=host + [("Content-Type", "application/json")])
                self.assertEqual(bytes(stream.body), b'{"a":1}')
                stream = front.call("/stream", headers=host)
                self.assertEqual(bytes(stream.body), b"data: 0\n\ndata: 1\n\ndata: 2\n\n")
                with open(front.directory + "/fixture.py", "rb") as f:
                    self.assertEqual(bytes(front.call("/file", headers=host).body), f.read())
                front.call("/background", headers=host)
                front.wait_file("ran")
                stream = front.call("/error", headers=host)
                self.assertEqual(stream.status, 500)
                front.wait(lambda: any("oops" in error for error, _, _ in front.failures), "the traceback")
                self.assertEqual(front.shutdown(), 0)


if __name__ == "__main__":
    unittest.main()
