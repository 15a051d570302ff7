"""The ASGI application of the tests, and a worker on each event loop that runs it."""
import functools

from .front import Front
from .models import EVENT_LOOPS
from .shared import shared

APP = """
import asyncio, contextvars, os, time

VAR = contextvars.ContextVar("VAR", default=None)

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    await globals()["do_" + (scope["path"].strip("/") or "index")](scope, receive, send)

async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["shared"] = {"n": 0}
    scope["state"]["own"] = 1
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    open("shut", "w").close()
    await send({"type": "lifespan.shutdown.complete"})

async def body_of(receive):
    body, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        body += message["body"]
        more = message["more_body"]
    return body

async def answer(send, body, more=False, status=200, headers=((b"content-type", b"text/plain"),), **start):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **start})
    await send({"type": "http.response.body", "body": body, "more_body": more})

async def go():
    while not os.path.exists("go"):
        await asyncio.sleep(0.005)

async def do_index(scope, receive, send):
    await answer(send, b"hello")

async def do_block(scope, receive, send):
    open("blocking", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    await answer(send, b"blocked")

async def do_generator(scope, receive, send):
    fields = ((name, b"1") for name in (b"x-a", b"x-b"))
    await send({"type": "http.response.start", "status": 200, "headers": fields})
    await send({"type": "http.response.body", "body": b"hello"})

async def do_scope(scope, receive, send):
    await answer(send, repr({**scope, "extensions": sorted(scope["extensions"])}).encode())

async def do_echo(scope, receive, send):
    await answer(send, await body_of(receive))

async def do_piecewise(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    more = True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        more = message["more_body"]
        await send({"type": "http.response.body", "body": message["body"], "more_body": more})

async def do_pieces(scope, receive, send):
    count, more = 0, True
    while more:
        message = await receive()
        more = message["more_body"]
        count += 1
        open("piece-%d" % count, "w").close()
    await answer(send, b"%d" % count)

async def do_slowecho(scope, receive, send):
    await go()
    await answer(send, await body_of(receive))

async def do_state(scope, receive, send):
    scope["state"]["shared"]["n"] += 1
    scope["state"]["own"] += 1
    await answer(send, repr(scope["state"]).encode())

async def do_task(scope, receive, send):
    task = asyncio.current_task()
    seen = VAR.get()
    VAR.set("leaked")
    await answer(send, repr((task is not None, seen)).encode())

async def do_background(scope, receive, send):
    await answer(send, b"early")
    await go()
    open("background", "w").close()

async def do_stream(scope, receive, send):
    await answer(send, b"first", more=True)
    await go()
    await send({"type": "http.response.body", "body": b"second"})

async def do_big(scope, receive, send):
    await answer(send, b"x" * 1000000)

async def do_endless(scope, receive, send):
    await answer(send, b"", more=True)
    try:
        while True:
            await send({"type": "http.response.body", "body": b"z" * 10000, "more_body": True})
    except OSError:
        open("oserror", "w").close()
        raise

async def do_disconnect(scope, receive, send):
    await body_of(receive)
    open("waiting", "w").close()
    message = await receive()
    open(message["type"], "w").close()
    await answer(send, b"after")

async def do_after(scope, receive, send):
    await body_of(receive)
    await answer(send, b"done")
    message = await receive()
    open(message["type"], "w").close()

async def do_raise(scope, receive, send):
    raise ValueError("before")

async def do_raisestarted(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    raise ValueError("no byte sent")

async def do_raiselate(scope, receive, send):
    await answer(send, b"some", more=True)
    raise ValueError("after")

async def do_raisebackground(scope, receive, send):
    await answer(send, b"fine")
    raise ValueError("in the background")

async def do_exit(scope, receive, send):
    raise SystemExit(7)

async def do_cancelled(scope, receive, send):
    raise asyncio.CancelledError()

async def do_nothing(scope, receive, send):
    pass

async def do_unfinished(scope, receive, send):
    await answer(send, b"part", more=True)

async def do_toomuch(scope, receive, send):
    await answer(send, b"all")
    try:
        await send({"type": "http.response.body", "body": b"more"})
    except RuntimeError as error:
        open("refused", "w").close()

async def do_nostart(scope, receive, send):
    await send({"type": "http.response.body", "body": b"x"})

async def do_text(scope, receive, send):
    await answer(send, "text")

class Number(int):
    pass

async def do_odd(scope, receive, send):
    await answer(send, bytearray(b"odd"), status=Number(201), headers=[["x-list", b"1"], (b"x-tuple", b"2")])

async def do_nobody(scope, receive, send):
    await send({"type": "http.response.start", "status": 204})
    await send({"type": "http.response.body"})

async def do_pathsend(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": os.path.abspath("data")})

async def do_pathmissing(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.pathsend", "path": "/does/not/exist"})

async def do_hints(scope, receive, send):
    await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload", b"</b.js>"]})
    await answer(send, b"hinted")

async def do_trailers(scope, receive, send):
    await answer(send, b"body", trailers=True)
    await send({"type": "http.response.trailers", "headers": [(b"x-a", b"1")], "more_trailers": True})
    await send({"type": "http.response.trailers", "headers": [(b"x-b", b"2")]})

async def do_concurrent(scope, receive, send):
    await body_of(receive)
    listener = asyncio.ensure_future(receive())
    await asyncio.sleep(0)
    listener.cancel()
    other = asyncio.ensure_future(receive())
    await answer(send, b"ok")
    open((await other)["type"], "w").close()

async def do_block(scope, receive, send):
    import time
    open("blocking", "w").close()
    while not os.path.exists("go"):
        time.sleep(0.005)
    await answer(send, b"blocked")
"""


def every_loop(alone=False, **hello):
    """Runs a test once with a worker on each event loop, which is the test's alone or shared with others."""
    start = Front if alone else shared

    def decorate(test):
        @functools.wraps(test)
        def run(self):
            for loop in EVENT_LOOPS:
                with self.subTest(loop=loop), start(APP, "asgi", loop=loop, **hello) as front:
                    self.assertIsNone(front.failed)
                    test(self, front)

        return run

    return decorate
