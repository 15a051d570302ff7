"""What clients can have a server hold memory for: bodies that nobody reads yet,
responses that nobody takes, messages that nobody has asked for."""

import asyncio


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (await receive())["type"] == "websocket.receive":
            await asyncio.sleep(0.05)
        return
    if scope["path"] == "/never":
        event = await receive()
        while event["type"] == "http.request":
            await asyncio.sleep(60)
            event = await receive()
        return
    body = bytes(1_000_000) if scope["path"] == "/large" else b"ok"
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
