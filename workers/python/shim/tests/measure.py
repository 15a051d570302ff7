"""CPU that a worker spends on a request, by model and requests in flight: python -m tests.measure [seconds]

The front writes a prepared batch, reads until as many answers came, and repeats. Its own CPU is not counted, but it shares
the machine: figures are for comparing models and versions with each other, on a machine that does nothing else.
"""
import glob
import sys
import time
from marshal import dumps

from .front import REQUESTS, Front, frame

WSGI = """
def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "text/plain"), ("Content-Length", "13")])
    return [b"Hello, World!"]
"""
ASGI = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200,
                "headers": [(b"content-type", b"text/plain"), (b"content-length", b"13")]})
    await send({"type": "http.response.body", "body": b"Hello, World!"})
"""
TORNADO = """
import tornado.web
class Hello(tornado.web.RequestHandler):
    def get(self):
        self.write("Hello, World!")
app = tornado.web.Application([("/", Hello)])
"""
BROWSER = [
    ("Host", "localhost:8080"), ("Connection", "keep-alive"), ("Cache-Control", "max-age=0"),
    ("Sec-Ch-Ua", '"Chromium";v="140", "Not=A?Brand";v="24"'), ("Sec-Ch-Ua-Mobile", "?0"), ("Upgrade-Insecure-Requests", "1"),
    ("User-Agent", "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36"),
    ("Accept", "text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8"),
    ("Sec-Fetch-Site", "none"), ("Sec-Fetch-Mode", "navigate"), ("Accept-Encoding", "gzip, deflate, br, zstd"),
    ("Accept-Language", "en-US,en;q=0.9"), ("Cookie", "session=0123456789abcdef0123456789abcdef"),
]


def spent(pid):
    """Nanoseconds of CPU that all threads of a process have used."""
    total = 0
    for name in glob.glob("/proc/%d/task/*/schedstat" % pid):
        with open(name) as f:
            total += int(f.read().split()[0])
    return total


def batch(front, count, first):
    requests = []
    for number in range(first, first + count):
        front.next_stream = number
        requests.append(front.request("/", headers=BROWSER))
    return frame(REQUESTS, 0, dumps(requests, 4))


def measure(source, model, in_flight, seconds, **hello):
    front = Front(source, model, **hello)
    with front:
        if not front.ready:
            return None
        batches = [batch(front, in_flight, 1 + i * in_flight) for i in range(50)]
        sink = front.streams = _Sink()
        done, began, cpu = 0, time.monotonic(), None
        while True:
            for data in batches:
                wanted = sink.count + in_flight
                front.send(data)
                with front.changed:
                    front.changed.wait_for(lambda: sink.count >= wanted, 5)
            done += in_flight * len(batches)
            if cpu is None:  # the first round was the warm-up
                done, began, cpu = 0, time.monotonic(), spent(front.process.pid)
            elif time.monotonic() - began > seconds:
                break
        return (spent(front.process.pid) - cpu) / done / 1000, done / (time.monotonic() - began)


class _Sink:
    """Stands for the streams: counts answers."""

    def __init__(self):
        self.count = 0

    def __getitem__(self, number):
        self.count += 1
        return _Forgetful()


class _Forgetful:
    status = done = None

    def __init__(self):
        self.body, self.kinds = bytearray(), []

    def begin(self, status, headers):
        pass


def main():
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    only = sys.argv[2:]
    for source, model, interface in (
        (WSGI, "sync", "wsgi"), (WSGI, "gthread", "wsgi"), (WSGI, "gevent", "wsgi"), (ASGI, "asgi", "asgi"),
        (WSGI, "tornado", "wsgi"), (WSGI, "gtornado", "wsgi"), (TORNADO, "tornado", "tornado"), (TORNADO, "gtornado", "tornado"),
        (WSGI, "asgi", "wsgi"),
    ):
        if only and model not in only:
            continue
        for in_flight in (1, 4, 16, 64):
            result = measure(source, model, in_flight, seconds)
            if result:
                print("%-9s %-8s %3d in flight  %6.2f us  %7.0f/s" % (model, interface, in_flight, *result), flush=True)


if __name__ == "__main__":
    main()
