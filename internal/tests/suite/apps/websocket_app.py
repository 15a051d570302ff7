"""WebSockets of Starlette and FastAPI: echo, JSON, subprotocols, refusals, a broadcast, and what they are told of ends."""

import asyncio
import os
from contextlib import asynccontextmanager

from fastapi import Depends, FastAPI, WebSocket, WebSocketDisconnect, WebSocketException
from starlette.applications import Starlette
from starlette.endpoints import WebSocketEndpoint
from starlette.responses import PlainTextResponse
from starlette.routing import Mount, Route, WebSocketRoute

ends = asyncio.Queue()
everybody = set()


async def echo(websocket):
    await websocket.accept()
    try:
        while True:
            message = await websocket.receive()
            if message["type"] == "websocket.disconnect":
                break
            if message.get("text") is not None:
                await websocket.send_text(message["text"])
            else:
                await websocket.send_bytes(message["bytes"])
    finally:
        await ends.put(f"{message['code']} {message.get('reason')}")


async def ended(request):
    return PlainTextResponse(await asyncio.wait_for(ends.get(), 20))


async def where(websocket):
    await websocket.accept(subprotocol=websocket["subprotocols"][0], headers=[(b"x-pid", str(os.getpid()).encode())])
    await websocket.send_json({
        "url": str(websocket.url), "client": websocket.client.host, "query": websocket.query_params["q"],
        "cookie": websocket.cookies.get("a"), "header": websocket.headers["x-custom"], "state": websocket.state.shared,
    })
    await websocket.close(code=4321, reason="told")


async def deny(websocket):
    await websocket.send_denial_response(PlainTextResponse("not you", status_code=401, headers={"X-Why": "because"}))


async def refuse(websocket):
    await websocket.close()


async def raises(websocket):
    await websocket.accept()
    raise RuntimeError("the secret of the failing socket")


async def push(websocket):
    """Sends without receiving, until it is told that nobody is there."""
    await websocket.accept()
    try:
        while True:
            await websocket.send_text("tick")
            await asyncio.sleep(0.005)
    except WebSocketDisconnect:
        await ends.put("push noticed")


class Counter(WebSocketEndpoint):
    encoding = "json"

    async def on_receive(self, websocket, data):
        await websocket.send_json({"sum": sum(data)})


api = FastAPI()


def token(websocket: WebSocket):
    if websocket.query_params.get("token") != "good":
        raise WebSocketException(code=1008, reason="bad token")
    return "good"


@api.websocket("/rooms/{room}")
async def room(websocket: WebSocket, room: int, token: str = Depends(token)):
    await websocket.accept()
    everybody.add(websocket)
    try:
        async for text in websocket.iter_text():
            for other in everybody:
                await other.send_text(f"{room}: {text}")
    finally:
        everybody.discard(websocket)


@asynccontextmanager
async def lifespan(app):
    yield {"shared": "from startup"}


app = Starlette(lifespan=lifespan, routes=[
    Route("/ended", ended),
    WebSocketRoute("/echo", echo),
    WebSocketRoute("/where", where),
    WebSocketRoute("/deny", deny),
    WebSocketRoute("/refuse", refuse),
    WebSocketRoute("/raise", raises),
    WebSocketRoute("/push", push),
    WebSocketRoute("/count", Counter),
    Mount("/api", api),
])
