"""How applications end whose clients leave, and how they fail otherwise."""
import asyncio

from starlette.applications import Starlette
from starlette.responses import PlainTextResponse, StreamingResponse
from starlette.routing import Mount, Route, WebSocketRoute


class PartingError(Exception):
    pass


async def events(request):
    """An event stream that would go on for ever."""

    async def stream():
        while True:
            yield b"data: x\n\n"
            await asyncio.sleep(0.02)

    return StreamingResponse(stream(), media_type="text/event-stream")


async def silent(request):
    """An event stream that has nothing to say."""

    async def stream():
        yield b"data: x\n\n"
        await asyncio.Event().wait()

    return StreamingResponse(stream(), media_type="text/event-stream")


async def whole(request):
    """Answers only whom it has heard out."""
    return PlainTextResponse(str(len(await request.body())))


async def raw(scope, receive, send):
    """What no framework does for the application."""
    path = scope["path"].removeprefix("/raw")
    print("entered", path, flush=True)
    if path == "/late":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"whole"})
        raise PartingError("after the answer")
    if path == "/half":
        await send({"type": "http.response.start", "status": 200})
        await send({"type": "http.response.body", "body": b"half", "more_body": True})
        raise PartingError("in the answer")
    if path == "/early":
        raise PartingError("before the answer")
    if path == "/silent":
        return
    while (await receive())["type"] != "http.disconnect":
        pass
    if path == "/raises":
        raise PartingError("once it was alone")


async def socket(websocket):
    await websocket.accept()
    if websocket.url.path == "/socket/fails":
        raise PartingError("in the socket")
    while True:
        await websocket.receive_text()


app = Starlette(routes=[
    Route("/events", events), Route("/quiet", silent), Route("/whole", whole, methods=["POST"]), Mount("/raw", raw),
    WebSocketRoute("/socket/{kind}", socket),
])


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    if path == "/early":
        raise PartingError("before the answer")
    start_response("200 OK", [])
    if path == "/half":
        return halves()
    return Closing([b"whole"])


def halves():
    yield b"half" * (64 << 10)
    raise PartingError("in the answer")


class Closing(list):
    def close(self):
        raise PartingError("after the answer")


def native():
    from tornado import web

    class Early(web.RequestHandler):
        def get(self):
            raise PartingError("before the answer")

    return web.Application([("/early", Early)])
