"""A job runner in FastAPI: REST, uploads, background work and live events.

    asteri-loop -w asgi -l :8443 --chdir examples/fastapi main:app

The interactive documentation is at /docs.
"""

import asyncio
import hashlib
import itertools
from contextlib import asynccontextmanager
from typing import Annotated

from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, UploadFile
from fastapi.responses import RedirectResponse, StreamingResponse
from pydantic import BaseModel


class Job(BaseModel):
    id: int
    name: str
    state: str = "waiting"
    result: str | None = None


class Jobs:
    """The jobs of this process, and who wants to hear of changes."""

    def __init__(self):
        self.all: dict[int, Job] = {}
        self.ids = itertools.count(1)
        self.changed = asyncio.Condition()

    async def update(self, job, **fields):
        async with self.changed:
            self.all[job.id] = job.model_copy(update=fields)
            self.changed.notify_all()


@asynccontextmanager
async def lifespan(app):
    """Runs before the first request and after the last; what it yields is request.state."""
    yield {"jobs": Jobs()}


app = FastAPI(title="Jobs", lifespan=lifespan)


def jobs(request: Request) -> Jobs:
    return request.state.jobs


Board = Annotated[Jobs, Depends(jobs)]


@app.get("/", include_in_schema=False)
async def home(request: Request):
    return RedirectResponse(request.scope["root_path"] + "/docs")


@app.get("/jobs")
async def list_jobs(board: Board) -> list[Job]:
    return list(board.all.values())


@app.get("/jobs/{job_id}")
async def show_job(job_id: int, board: Board) -> Job:
    if job_id not in board.all:
        raise HTTPException(404, "no such job")
    return board.all[job_id]


@app.post("/jobs", status_code=202)
async def start_job(file: UploadFile, tasks: BackgroundTasks, board: Board) -> Job:
    """Takes a file and answers at once; the work goes on after the response."""
    job = Job(id=next(board.ids), name=file.filename or "unnamed")
    await board.update(job)
    tasks.add_task(digest, job, await file.read(), board)
    return job


async def digest(job, content, board):
    await board.update(job, state="running")
    result = await asyncio.to_thread(lambda: hashlib.sha256(content).hexdigest())
    await board.update(job, state="done", result=result)


@app.get("/events")
async def events(board: Board):
    """Server-sent events: one for each change, until the browser leaves."""

    async def feed():
        sent = {}
        yield ": the response begins with its first bytes, so there are some at once\n\n"
        while True:
            async with board.changed:
                await board.changed.wait_for(lambda: board.all != sent)
                news = [job for number, job in board.all.items() if sent.get(number) != job]
                sent = dict(board.all)
            for job in news:
                yield f"event: job\ndata: {job.model_dump_json()}\n\n"

    return StreamingResponse(feed(), media_type="text/event-stream", headers={"Cache-Control": "no-store"})
