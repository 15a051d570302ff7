"""What applications print that log for machines."""
import json
import os
import sys

LONG = "x" * 20000


def app(environ, start_response):
    print(json.dumps({"event": "cart", "level": "error", "n": [1, 2.50, None], "pid": "mine", "message": "caf\xe9"}, ensure_ascii=False))
    print(json.dumps({"event": "long", "text": LONG}))
    print("{not json}")
    print("no end", end="", flush=True)
    sys.stdout.flush()
    os.write(1, b"\nraw \xff\x00\x1e bytes\n")
    print("to stderr", file=sys.stderr)
    environ["wsgi.errors"].write('{"event": "wsgi"}\n')
    start_response("200 OK", [])
    return [b"done"]
