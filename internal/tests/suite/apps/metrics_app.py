"""Flask and FastAPI applications that count for themselves, keep what they should not, and are told apart by routes."""

import os
import time

from asteri_metrics import Counter, Gauge, Histogram

GREETED = Counter("shop_greeted_total", "People greeted.", ["name"])
CARTS = Gauge("shop_carts", "Open carts.")
OLDEST = Gauge("shop_oldest_seconds", "The oldest cart.", merge="max")
SIZES = Histogram("shop_order_items", "Items of an order.", buckets=[1, 5, 10])
TAKEN = Counter("asteri_requests_total", "A name that is not theirs.")
KEPT = []


def greet(name):
    GREETED.labels(name).inc()
    CARTS.set(2)
    OLDEST.set(os.getpid())
    SIZES.observe(3)
    time.sleep(0.01)  # so that other workers have something to do
    return f"Hello, {name}! {os.getpid()}"


def leak():
    if len(KEPT) < 500:
        KEPT.append(bytearray(b"x") * (128 << 10))
    return "kept"


def flask():
    from flask import Flask

    app = Flask(__name__)
    app.add_url_rule("/greet/<name>", view_func=greet)
    app.add_url_rule("/leak/<int:number>", view_func=lambda number: leak(), endpoint="leak")
    app.add_url_rule("/pid", view_func=lambda: str(os.getpid()), endpoint="pid")
    return app


def fastapi():
    from fastapi import FastAPI
    from fastapi.responses import PlainTextResponse

    app = FastAPI(default_response_class=PlainTextResponse)
    app.get("/greet/{name}")(greet)

    @app.get("/leak/{number}")
    async def keep(number: int):
        return leak()

    @app.get("/pid")
    async def pid():
        return str(os.getpid())

    return app
