"""What the application's process looks like from inside."""

import json
import os
import sys


def inheritable():
    """How many descriptors beyond the standard ones a child would inherit."""
    count = 0
    for name in os.listdir("/proc/self/fd"):
        try:
            count += int(name) > 2 and os.get_inheritable(int(name))
        except OSError:  # the descriptor of the listing itself
            pass
    return count


def app(environ, start_response):
    body = json.dumps({"environ": dict(os.environ), "path": sys.path, "stdin": sys.stdin.read() if sys.stdin else "",
                       "inheritable": inheritable(), "argv": sys.argv}).encode()
    start_response("200 OK", [("Content-Type", "application/json"), ("Content-Length", str(len(body)))])
    return [body]
