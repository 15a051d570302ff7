"""gevent's hub for gtornado: keeps asyncio's running loop apart for each greenlet.

asyncio has one running loop a thread. With greenlets it must be one a greenlet: the main greenlet runs the IOLoop, a WSGI
greenlet none (so that asyncio.run works in it) or one of its own. Whatever makes a greenlet wait goes through Hub.switch,
so that is where the running loop is put away and brought back. Imported before monkey-patching, so without asyncio.
"""
from gevent.hub import Hub, set_hub


class RunningLoopHub(Hub):
    def switch(self):
        loop = running.get()
        if loop is None:
            return super().switch()
        running.set(None)
        try:
            return super().switch()
        finally:
            running.set(loop)


class running:
    """asyncio's accessors; greenloop.py puts the real ones here once asyncio may be imported."""

    get = staticmethod(lambda: None)
    set = staticmethod(lambda loop: None)


def install():
    """Makes this the main thread's hub; before anything else creates one."""
    set_hub(RunningLoopHub())
