"""An ASGI application that keeps its clients waiting, which is not their fault."""

import asyncio

SILENCE = 2.5  # seconds: longer than the grace that the tests set


async def app(scope, receive, send):
    if scope["type"] != "http":
        raise RuntimeError("HTTP only")
    path = scope["path"]
    if path == "/late":  # does not read for a while
        await asyncio.sleep(SILENCE)
    elif path == "/poll":  # answers after a while
        await asyncio.sleep(SILENCE)
        return await respond(send, b"news")
    elif path == "/events":  # says something now and then
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        for _ in range(2):
            await send({"type": "http.response.body", "body": b"data: x\n\n", "more_body": True})
            await asyncio.sleep(SILENCE)
        return await send({"type": "http.response.body", "body": b"data: end\n\n"})
    elif path == "/large":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        for _ in range(800):
            await send({"type": "http.response.body", "body": bytes(65536), "more_body": True})
        return await send({"type": "http.response.body", "body": b""})
    size, more = 0, True
    while more:
        message = await receive()
        size += len(message.get("body", b""))
        more = message.get("more_body", False)
    await respond(send, b"%d" % size)


async def respond(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
