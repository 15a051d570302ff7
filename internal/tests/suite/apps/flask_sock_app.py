"""Flask-Sock: WebSockets by a socket in the environ."""
import time

from flask import Flask, request
from flask_sock import Sock

app = Flask(__name__)
sock = Sock(app)


@app.get("/")
def page():
    return "plain"


@app.get("/slow")
def slow():
    time.sleep(60)
    return "late"


@sock.route("/echo")
def echo(ws):
    while True:
        message = ws.receive()
        if message == "close":
            ws.close(4001, "enough")
            return
        if message == "raise":
            raise RuntimeError("the secret of the failing socket")
        ws.send(message)


@sock.route("/where")
def where(ws):
    ws.send("%s %s %s %s" % (request.url, request.remote_addr, request.cookies.get("a"), request.environ["SERVER_PROTOCOL"]))


@sock.route("/push")
def push(ws):
    while True:
        ws.send("tick")
