"""gevent's hub for gtornado: keeps what asyncio knows of the running code apart for each greenlet.

asyncio has one running loop, and of each loop one current task, a thread. With greenlets it must be one a greenlet: a
callback of the IOLoop may wait in the middle of a task's step while other callbacks run, and a WSGI greenlet runs in no
loop (so that asyncio.run works in it) or in one of its own. Whatever makes a greenlet wait goes through Hub.switch, so
that is where both are put away and brought back. Imported before monkey-patching, so without asyncio.
"""
from gevent.hub import Hub, set_hub


class AsyncioHub(Hub):
    def switch(self):
        put_away = outside.put_away
        if put_away is None:
            return super().switch()
        bring_back = put_away()
        try:
            return super().switch()
        finally:
            if bring_back is not None:
                outside.bring_back(*bring_back)


class outside:
    """What greenloop.py does here, once asyncio may be imported."""

    put_away = None  # returns the arguments for bring_back, or None if no loop was running
    bring_back = None


def install():
    """Makes this the main thread's hub; before anything else creates one."""
    set_hub(AsyncioHub())
