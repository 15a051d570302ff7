"""The event loop of an application that asks for one while it is imported, before it is known which model will run it.

asyncio.get_event_loop() made a loop then; from Python 3.12 on it warned, and from 3.14 on it fails. Under gunicorn or from a
shell that is what Python does, and applications are changed for it. Here a loop will run, often enough, and what they make
for it at import has to be that one's. Imports asyncio only when the application has.
"""
from .onimport import no_longer, when_imported

_made = []  # the loop
_patched = []  # (class of policies, its method)


def offer(kind):
    """kind is --loop's."""
    when_imported("asyncio", lambda: _patch(kind))


def withdraw():
    """The application has been imported: from now on asyncio does what it does everywhere, also if it is imported later only."""
    no_longer("asyncio")
    for policy, method in _patched:
        policy.get_event_loop = method


def is_lent(loop):
    """Whether a loop was made here, and so is of the kind that was asked for."""
    return loop in _made


def _patch(kind):
    from asyncio import events
    from threading import current_thread, main_thread

    from . import loops

    policy = getattr(events, "_BaseDefaultEventLoopPolicy", None) or getattr(events, "BaseDefaultEventLoopPolicy", None)
    if policy is None:
        return
    method = policy.get_event_loop

    def get_event_loop(self):
        if self._local._loop is None and current_thread() is main_thread():
            _made[:] = [self.new_event_loop() if kind == "auto" else loops.new_loop(kind)]
            self.set_event_loop(_made[0])
        return method(self)

    policy.get_event_loop = get_event_loop
    _patched.append((policy, method))
