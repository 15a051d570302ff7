"""Which models this Python can run, by the libraries it has."""
import importlib.util


def has(*names):
    return all(importlib.util.find_spec(name) for name in names)


WSGI_MODELS = [
    model
    for model, needs in (
        ("sync", ()), ("gthread", ()), ("gevent", ("gevent",)), ("asgi", ()),
        ("tornado", ("tornado",)), ("gtornado", ("tornado", "gevent")),
    )
    if has(*needs)
]
TORNADO_MODELS = [m for m in ("tornado", "gtornado") if m in WSGI_MODELS]
EVENT_LOOPS = ["asyncio"] + (["uvloop"] if has("uvloop") else [])
