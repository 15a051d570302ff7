"""Flask-SocketIO. WITHOUT_GEVENT_WEBSOCKET has it use simple-websocket, as where gevent-websocket is not installed."""
import os
import sys

if "WITHOUT_GEVENT_WEBSOCKET" in os.environ:
    sys.modules["geventwebsocket"] = None

from flask import Flask
from flask_socketio import SocketIO, emit, join_room

app = Flask(__name__)
socketio = SocketIO(app, async_mode=os.environ.get("ASYNC_MODE", "gevent"))


@app.get("/")
def page():
    return "plain"


@socketio.on("message")
def message(data):
    emit("answer", data)


@socketio.on("enter")
def enter(room):
    join_room(room)
    emit("entered", room, to=room)


@socketio.on("disconnect")
def disconnect(*reason):
    print("a client has left", flush=True)
