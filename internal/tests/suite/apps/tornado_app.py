"""A native Tornado application: what RequestHandler, coroutines and streaming promise."""

import asyncio
import hashlib
import os

import tornado.web
from tornado import gen, iostream

from meet import meet

HERE = os.path.dirname(os.path.abspath(__file__))


class Index(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello from Tornado")


class Where(tornado.web.RequestHandler):
    def get(self, name):
        self.write({"url": self.request.full_url(), "name": name, "protocol": self.request.protocol,
                    "client": self.request.remote_ip, "arguments": self.get_arguments("a")})


class Form(tornado.web.RequestHandler):
    def post(self):
        self.write({"name": self.get_body_argument("name"),
                    "files": {key: [(f.filename, len(f.body), hashlib.sha256(f.body).hexdigest()) for f in files]
                              for key, files in self.request.files.items()}})


class Native(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.sleep(0.01)
        self.write("awaited")


class Decorated(tornado.web.RequestHandler):
    @gen.coroutine
    def get(self):
        yield gen.sleep(0.01)
        self.write("yielded")


class Flush(tornado.web.RequestHandler):
    """Three chunks, each flushed; without Content-Length it must arrive chunked."""

    async def get(self):
        for piece in ("one\n", "two\n", "three\n"):
            self.write(piece)
            await self.flush()


@tornado.web.stream_request_body
class Digest(tornado.web.RequestHandler):
    """Hash the body as it arrives, without holding it."""

    def prepare(self):
        self.request.connection.set_max_body_size(1 << 30)
        self.digest = hashlib.sha256()
        self.pieces = 0

    async def data_received(self, chunk):
        self.digest.update(chunk)
        self.pieces += 1
        await asyncio.sleep(0)

    def post(self):
        self.write({"sha256": self.digest.hexdigest(), "pieces": self.pieces})

    put = post


class Cookies(tornado.web.RequestHandler):
    def get(self):
        self.set_cookie("plain", "1")
        self.set_signed_cookie("signed", "secret value")
        self.redirect("/cookies/read")


class CookiesRead(tornado.web.RequestHandler):
    def get(self):
        signed = self.get_signed_cookie("signed")
        self.write({"plain": self.get_cookie("plain"), "signed": signed and signed.decode()})


class Gone(tornado.web.RequestHandler):
    """Stream until the client has gone; on_connection_close must be called."""

    noticed = asyncio.Event()

    async def get(self):
        Gone.noticed.clear()
        try:
            while True:
                self.write("x" * 1024)
                await self.flush()
                await asyncio.sleep(0.01)
        except iostream.StreamClosedError:
            pass

    def on_connection_close(self):
        Gone.noticed.set()


class Noticed(tornado.web.RequestHandler):
    async def get(self):
        await asyncio.wait_for(Gone.noticed.wait(), 10)
        self.write("noticed")


class Failing(tornado.web.RequestHandler):
    def get(self):
        raise RuntimeError("the secret of the failing handler")


class Teapot(tornado.web.RequestHandler):
    def get(self):
        raise tornado.web.HTTPError(418, reason="Short and Stout")

    def write_error(self, status_code, **kwargs):
        self.write(f"custom page for {status_code}")


class Tagged(tornado.web.RequestHandler):
    """Tornado computes the Etag and answers If-None-Match itself."""

    def get(self):
        self.write("the same every time")


class Meet(tornado.web.RequestHandler):
    """A synchronous handler that blocks until others are in it too (see meet.py)."""

    def get(self):
        self.write(str(meet(int(self.get_argument("n")), float(self.get_argument("patience")))))


def make_app():
    return tornado.web.Application([
        ("/", Index),
        ("/where/(.*)", Where),
        ("/form", Form),
        ("/native", Native),
        ("/decorated", Decorated),
        ("/flush", Flush),
        ("/digest", Digest),
        ("/cookies", Cookies),
        ("/cookies/read", CookiesRead),
        ("/gone", Gone),
        ("/noticed", Noticed),
        ("/error", Failing),
        ("/teapot", Teapot),
        ("/tagged", Tagged),
        ("/meet", Meet),
        ("/moved", tornado.web.RedirectHandler, {"url": "/", "permanent": True}),
        ("/static/(.*)", tornado.web.StaticFileHandler, {"path": HERE}),
    ], cookie_secret="only for tests")


app = make_app()
