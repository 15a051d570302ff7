"""A file drop in Starlette: uploads streamed to disk, downloads, no body ever in memory.

    asteri-loop -w asgi -l :8443 --chdir examples/starlette app:app

    curl -k -T big.iso https://localhost:8443/files/big.iso
    curl -k https://localhost:8443/files/big.iso -o copy.iso
"""

import os
import re
import tempfile
from contextlib import asynccontextmanager
from pathlib import Path

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

FOLDER = Path(os.environ.get("DROP_FOLDER", tempfile.gettempdir() + "/asteri-drop"))


@asynccontextmanager
async def lifespan(app):
    FOLDER.mkdir(parents=True, exist_ok=True)
    yield


def path_of(request: Request) -> Path:
    name = request.path_params["name"]
    if not re.fullmatch(r"[\w-][\w. -]*", name):
        raise HTTPException(400, "the name may hold letters, digits, spaces, dots and dashes")
    return FOLDER / name


async def index(request: Request):
    files = sorted(path for path in FOLDER.iterdir() if path.is_file())
    return JSONResponse([{"name": path.name, "size": path.stat().st_size} for path in files])


async def upload(request: Request):
    """The body goes to a file beside its place, and takes it when it is complete."""
    target = path_of(request)
    with tempfile.NamedTemporaryFile(dir=FOLDER, prefix=".", delete=False) as file:
        try:
            async for piece in request.stream():
                file.write(piece)
            os.replace(file.name, target)
        except BaseException:  # the client left: ClientDisconnect
            os.unlink(file.name)
            raise
    return JSONResponse({"name": target.name, "size": target.stat().st_size}, status_code=201)


async def download(request: Request):
    """Ranges and entity tags included; the server sends the file without Python's help."""
    path = path_of(request)
    if not path.is_file():
        raise HTTPException(404)
    return FileResponse(path)


async def delete(request: Request):
    path_of(request).unlink(missing_ok=True)
    return Response(status_code=204)


app = Starlette(lifespan=lifespan, routes=[
    Route("/", index),
    Route("/files/{name}", download, methods=["GET"]),
    Route("/files/{name}", upload, methods=["PUT"]),
    Route("/files/{name}", delete, methods=["DELETE"]),
])
