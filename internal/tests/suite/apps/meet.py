"""A rendezvous: how many requests are inside one process at the same time?

A call blocks until `n` calls are inside with it, or its patience ends, and
answers with the most it saw. No clock is compared: a server that runs one
call at a time can only ever answer 1.
"""

import asyncio
import json
import os
import threading
import time
from urllib.parse import parse_qs

inside = 0  # calls that wait
most = 0  # the highest it was since nobody waited
lock = threading.Lock()


def app(environ, start_response):
    if environ["PATH_INFO"] == "/flags":
        return answer(start_response, json.dumps({key: environ["wsgi." + key] for key in
                                                  ("multithread", "multiprocess", "run_once")}))
    if environ["PATH_INFO"] == "/asyncio-run":
        return answer(start_response, asyncio.run(deep_thought()))
    arguments = {key: values[-1] for key, values in parse_qs(environ["QUERY_STRING"]).items()}
    most = meet(int(arguments["n"]), float(arguments["patience"]))
    return answer(start_response, f"{most} {os.getpid()}")


def meet(wanted, patience):
    global inside, most
    with lock:
        inside += 1
        most = max(most, inside)
    until = time.monotonic() + patience
    while most < wanted and time.monotonic() < until:
        time.sleep(0.005)
    with lock:
        seen = most
        inside -= 1
        if inside == 0:
            most = 0
    return seen


async def deep_thought():
    await asyncio.sleep(0.01)
    return "forty-two"


def answer(start_response, body):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body.encode()]
