"""Its import waits for the file that GATE names, and tells by GATE + ".waiting" that it does."""

import os
import time

GATE = os.environ["GATE"]

with open(GATE + ".waiting", "a") as file:
    file.write(f"{os.getpid()}\n")
until = time.monotonic() + 60
while not os.path.exists(GATE) and time.monotonic() < until:
    time.sleep(0.01)


def app(environ, start_response):
    body = str(os.getpid()).encode()
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", str(len(body)))])
    return [body]
