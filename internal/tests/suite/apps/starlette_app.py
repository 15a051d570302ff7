"""Starlette: files, streams both ways, noticing that the client left."""

import asyncio
import gc

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse, RedirectResponse, StreamingResponse
from starlette.routing import Mount, Route

gone = asyncio.Event()
cleaned = asyncio.Event()


async def index(request):
    return PlainTextResponse("Hello from Starlette")


async def where(request):
    return JSONResponse({"url": str(request.url), "root_path": request.scope.get("root_path"),
                         "client": request.client.host, "query": request.query_params.multi_items()})


async def file(request):
    return FileResponse(__file__, media_type="text/x-python", filename="starlette_app.py")


async def stream(request):
    async def pieces():
        for number in range(int(request.query_params["n"])):
            yield f"piece {number}\n"
            await asyncio.sleep(0)

    return StreamingResponse(pieces(), media_type="text/plain")


async def forever(request):
    """Stream until the client has gone; /gone tells that it was noticed."""
    gone.clear()

    async def pieces():
        try:
            while True:
                yield b"x" * 1024
                await asyncio.sleep(0.01)
        finally:
            gone.set()

    return StreamingResponse(pieces())


async def idle(request):
    """An event stream without events: it ends only if the server tells that the client has gone."""
    gone.clear()

    async def pieces():
        try:
            yield b": welcome\n\n"
            await asyncio.sleep(3600)
        finally:
            gone.set()

    return StreamingResponse(pieces(), media_type="text/event-stream")


async def wait(request):
    """Hold the request until is_disconnected() says that nobody waits for the answer."""
    gone.clear()
    while not await request.is_disconnected():
        await asyncio.sleep(0.01)
    gone.set()
    return PlainTextResponse("nobody reads this")


async def noticed(request):
    # A generator whose consumer failed beside it, in send(), ends when it is collected: Starlette's exceptions hold it in a
    # cycle, and an idle process collects none.
    for _ in range(100):
        if gone.is_set():
            break
        gc.collect()
        await asyncio.sleep(0.1)
    await asyncio.wait_for(gone.wait(), 1)
    return PlainTextResponse("noticed")


async def cookies(request):
    response = RedirectResponse("/", status_code=303)
    response.set_cookie("a", "1")
    response.set_cookie("b", "2", httponly=True)
    return response


async def background(request):
    cleaned.clear()

    async def later():
        await asyncio.sleep(0.05)
        cleaned.set()

    return PlainTextResponse("answered first", background=BackgroundTask(later))


async def background_done(request):
    await asyncio.wait_for(cleaned.wait(), 10)
    return PlainTextResponse("cleaned")


async def error(request):
    raise RuntimeError("the secret of the failing view")


async def error_midway(request):
    async def pieces():
        yield b"the beginning"
        await asyncio.sleep(0.05)
        raise RuntimeError("the secret of the failing stream")

    return StreamingResponse(pieces())


app = Starlette(routes=[
    Route("/", index),
    Route("/where", where),
    Mount("/sub", routes=[Route("/where", where)]),
    Route("/file", file),
    Route("/stream", stream),
    Route("/forever", forever),
    Route("/idle", idle),
    Route("/wait", wait),
    Route("/noticed", noticed),
    Route("/cookies", cookies),
    Route("/background", background),
    Route("/background-done", background_done),
    Route("/error", error),
    Route("/error-midway", error_midway),
])
