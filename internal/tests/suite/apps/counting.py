"""The same in three interfaces: /slow?name answers after a second and leaves a line in the file `name`, /time tells the time of
day; a WebSocket echoes."""
import asyncio
import os
import time


def began(name):
    with open(name, "a") as file:
        file.write("%d\n" % os.getpid())


def wsgi(environ, start_response):
    path, name = environ["PATH_INFO"], environ["QUERY_STRING"]
    start_response("200 OK", [("Content-Type", "text/plain")])
    if path == "/slow":
        began(name)
        until = time.monotonic() + 1
        while time.monotonic() < until:
            time.sleep(0.01)
    return [b"%d" % time.time()]


async def asgi(scope, receive, send):
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            message = await receive()
            if message["type"] == "websocket.disconnect":
                return
            await send({"type": "websocket.send", "text": message["text"]})
    if scope["type"] != "http":
        raise NotImplementedError
    if scope["path"] == "/slow":
        began(scope["query_string"].decode())
        await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"%d" % time.time()})


def native():
    from tornado import web

    class Slow(web.RequestHandler):
        async def get(self):
            if self.request.path == "/slow":
                began(self.request.query)
                await asyncio.sleep(1)
            self.write("%d" % time.time())

    return web.Application([("/.*", Slow)])
