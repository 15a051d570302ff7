"""A raw ASGI application with an endless stream, which tells how it ends on standard output."""
import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        print("lifespan: shutdown", flush=True)
        await send({"type": "lifespan.shutdown.complete"})
        return
    await receive()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    if scope["path"] == "/drains":
        await scope["extensions"]["asteri.drain"]["event"].wait()
        await send({"type": "http.response.body", "body": b"data: bye\n\n"})
        return
    if scope["path"] in ("/ignores", "/resists"):
        await ignore(scope["path"] == "/resists")
    message = await receive()
    print("stream:", message["type"], flush=True)
    await asyncio.sleep(0)


async def ignore(resist):
    """Goes on, whether the client has left or not, and if need be although it is cancelled."""
    while True:
        try:
            await asyncio.sleep(3600)
        except asyncio.CancelledError as error:
            print("stream:", type(error).__name__, error, flush=True)
            if not resist:
                raise
