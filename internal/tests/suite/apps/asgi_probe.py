"""ASGI 3.0 to the letter: every route is one promise of the interface."""

import asyncio
import contextvars
import hashlib
import json
import os

left = asyncio.Event()
asked = asyncio.Semaphore(0)  # for the next event of an event stream
produced = 0
mark = contextvars.ContextVar("mark", default="clean")


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await lifespan(scope, receive, send)
        return
    assert scope["type"] == "http", scope["type"]
    await ROUTES.get(scope["path"], show_scope)(scope, receive, send)


async def lifespan(scope, receive, send):
    assert (await receive())["type"] == "lifespan.startup"
    scope["state"]["shared"] = ["from startup"]
    await send({"type": "lifespan.startup.complete"})
    assert (await receive())["type"] == "lifespan.shutdown"
    await send({"type": "lifespan.shutdown.complete"})


async def start(send, status=200, headers=(), **more):
    await send({"type": "http.response.start", "status": status, "headers": list(headers), **more})


async def finish(send, body=b""):
    await send({"type": "http.response.body", "body": body})


async def respond(send, body, status=200, headers=()):
    body = body.encode() if isinstance(body, str) else body
    await start(send, status, [(b"content-length", b"%d" % len(body)), *headers])
    await finish(send, body)


def plain(value):
    """The scope as JSON can hold it: bytes as latin-1 text."""
    if isinstance(value, bytes):
        return value.decode("latin-1")
    if isinstance(value, dict):
        return {str(key): plain(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(item) for item in value]
    if isinstance(value, asyncio.Event):
        return f"an event, {value.is_set()}"
    return value


async def show_scope(scope, receive, send):
    await respond(send, json.dumps(plain(dict(scope))))


async def pid(scope, receive, send):
    await respond(send, str(os.getpid()))


async def loop(scope, receive, send):
    await respond(send, type(asyncio.get_running_loop()).__module__)


async def body(scope, receive, send):
    """Collect the body; the messages must be well formed and end once."""
    digest, more = hashlib.sha256(), True
    while more:
        message = await receive()
        assert message["type"] == "http.request", message
        digest.update(message.get("body", b""))
        more = message.get("more_body", False)
    await respond(send, digest.hexdigest())


async def echo(scope, receive, send):
    """Each piece goes back before the next is read."""
    await start(send)
    more = True
    while more:
        message = await receive()
        more = message.get("more_body", False)
        await send({"type": "http.response.body", "body": message.get("body", b""), "more_body": True})
    await finish(send)


async def early(scope, receive, send):
    """Answer without reading the body."""
    await respond(send, "did not look", 403)


async def isolated(scope, receive, send):
    """Every request has a task and a context of its own."""
    before = mark.get()
    mark.set("dirty")
    await asyncio.sleep(0)
    await respond(send, f"{before} {asyncio.current_task() is not None}")


async def flood(scope, receive, send):
    """Send without end; /produced tells how far back-pressure let it come."""
    global produced
    produced = 0
    left.clear()
    await start(send)
    waiting = asyncio.ensure_future(disconnected(receive))
    try:
        while not waiting.done():
            await send({"type": "http.response.body", "body": b"x" * 65536, "more_body": True})
            produced += 65536
            await asyncio.sleep(0)
    except OSError:
        pass
    await waiting
    left.set()


async def disconnected(receive):
    while (await receive())["type"] != "http.disconnect":
        pass


async def tell_produced(scope, receive, send):
    await respond(send, str(produced))


async def hold(scope, receive, send):
    """Nothing is sent: only http.disconnect ends this."""
    left.clear()
    await disconnected(receive)
    left.set()


async def tell_left(scope, receive, send):
    await asyncio.wait_for(left.wait(), 10)
    await respond(send, "left")


async def after_end(scope, receive, send):
    """After the response receive() must answer http.disconnect, not hang."""
    await respond(send, "answered")
    await disconnected(receive)
    left.set()


async def state(scope, receive, send):
    """The state is a shallow copy: assignments stay in the request, contained objects are shared."""
    scope["state"]["mine"] = "only here"
    scope["state"]["shared"].append("seen") if len(scope["state"]["shared"]) < 2 else None
    await respond(send, json.dumps(scope["state"]))


async def hints(scope, receive, send):
    if "http.response.early_hint" in scope.get("extensions", {}):
        await send({"type": "http.response.early_hint", "links": [b"</style.css>; rel=preload; as=style"]})
    await respond(send, "hinted")


async def events(scope, receive, send):
    """Server-sent events, of which each but the first waits until /next is asked for."""
    await start(send, headers=[(b"content-type", b"text/event-stream")])
    for number in range(3):
        if number:
            await asyncio.wait_for(asked.acquire(), 10)
        await send({"type": "http.response.body", "body": b"data: %d\n\n" % number, "more_body": True})
    await finish(send)


async def next_event(scope, receive, send):
    asked.release()
    await respond(send, "next")


async def path_send(scope, receive, send):
    await start(send, headers=[(b"content-type", b"text/x-python"),
                               (b"content-length", b"%d" % os.path.getsize(__file__))])
    await send({"type": "http.response.pathsend", "path": os.path.abspath(__file__)})


async def trailers(scope, receive, send):
    await start(send, headers=[(b"trailer", b"x-checksum")], trailers=True)
    await send({"type": "http.response.body", "body": b"checked"})
    await send({"type": "http.response.trailers", "headers": [(b"x-checksum", b"42")], "more_trailers": False})


async def raises(scope, receive, send):
    raise RuntimeError("the secret of the failing call")


async def raises_midway(scope, receive, send):
    await start(send)
    await send({"type": "http.response.body", "body": b"the beginning", "more_body": True})
    await asyncio.sleep(0.02)
    raise RuntimeError("the secret of the failing call")


async def silent(scope, receive, send):
    """Returns without an answer."""


async def unordered(scope, receive, send):
    await finish(send, b"a body before the start")


async def short(scope, receive, send):
    await start(send, headers=[(b"content-length", b"100")])
    await finish(send, b"ten bytes.")


async def injection(scope, receive, send):
    await respond(send, "never sent", headers=[(b"x-bad", b"a\r\nset-cookie: stolen=1")])


async def cookies(scope, receive, send):
    await respond(send, "two", headers=[(b"set-cookie", b"a=1"), (b"set-cookie", b"b=2")])


ROUTES = {
    "/pid": pid, "/loop": loop, "/body": body, "/echo": echo, "/early": early, "/isolated": isolated,
    "/flood": flood, "/produced": tell_produced, "/hold": hold, "/left": tell_left, "/after-end": after_end,
    "/state": state, "/hints": hints, "/events": events, "/next": next_event, "/pathsend": path_send, "/trailers": trailers,
    "/raises": raises, "/raises-midway": raises_midway, "/silent": silent, "/unordered": unordered,
    "/short": short, "/injection": injection, "/cookies": cookies,
}


async def without_lifespan(scope, receive, send):
    """An application that knows only http: lifespan mode auto must do without."""
    if scope["type"] != "http":
        raise NotImplementedError(scope["type"])
    await respond(send, "no lifespan here")


async def failing_startup(scope, receive, send):
    """An application whose start-up fails: the server must not serve it."""
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.failed", "message": "the database is away"})
        return
    await respond(send, "must never be reached")
