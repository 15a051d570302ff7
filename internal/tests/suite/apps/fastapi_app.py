"""FastAPI as applications use it: lifespan, dependencies, SSE, uploads, background tasks."""

import asyncio
import hashlib
import os
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, File, Form, Header, HTTPException, Request, UploadFile
from fastapi.responses import StreamingResponse
from pydantic import BaseModel


@asynccontextmanager
async def lifespan(app):
    """Bracket the application's life; the journal shows the suite that both ends were reached."""
    journal("startup")
    yield {"greeting": "from the lifespan"}
    await asyncio.sleep(0)  # shutdown runs on a loop that still works
    journal("shutdown")


def journal(entry):
    if path := os.environ.get("LIFESPAN_JOURNAL"):
        with open(path, "a") as file:
            file.write(f"{entry} {os.getpid()}\n")


app = FastAPI(lifespan=lifespan)
notified = asyncio.Event()


class Item(BaseModel):
    name: str
    price: float


def user(authorization: Annotated[str | None, Header()] = None):
    if authorization != "Bearer sesame":
        raise HTTPException(status_code=401, headers={"WWW-Authenticate": "Bearer"})
    return "ali"


@app.get("/")
async def index():
    return {"hello": "FastAPI"}


@app.get("/state")
async def state(request: Request):
    return {"greeting": request.state.greeting}


@app.get("/threads")
def threads():
    """A plain function: FastAPI runs it in its thread pool."""
    return {"ran": "in a thread"}


@app.post("/items")
async def create(item: Item, who: Annotated[str, Depends(user)]):
    return {"item": item, "owner": who}


@app.post("/upload")
async def upload(file: Annotated[UploadFile, File()], title: Annotated[str, Form()]):
    content = await file.read()
    return {"name": file.filename, "size": len(content), "title": title,
            "sha256": hashlib.sha256(content).hexdigest()}


@app.post("/digest")
async def digest(request: Request):
    body = hashlib.sha256()
    async for piece in request.stream():
        body.update(piece)
    return {"sha256": body.hexdigest()}


@app.get("/events")
async def events(n: int):
    async def feed():
        for number in range(n):
            yield f"id: {number}\nevent: tick\ndata: {number * number}\n\n"
            await asyncio.sleep(0)

    return StreamingResponse(feed(), media_type="text/event-stream")


async def notify():
    await asyncio.sleep(0.05)  # outlives the response
    notified.set()


@app.post("/notify", status_code=202)
async def start_notification(tasks: BackgroundTasks):
    notified.clear()
    tasks.add_task(notify)
    return {"accepted": True}


@app.get("/notified")
async def wait_for_notification():
    await asyncio.wait_for(notified.wait(), 10)
    return {"notified": True}


@app.get("/error")
async def error():
    raise RuntimeError("the secret of the failing view")
