"""The errors of the worker itself, and how an application's errors are shown."""
import importlib
import os
import traceback

_MESSAGE = 8 << 10  # characters of a message, and of a traceback: what is longer is cut
_TRACEBACK = 64 << 10
_SILENT = (os.path.dirname(__file__) + os.sep, importlib.__file__, "<frozen importlib")


class Failure(Exception):
    """Start-up cannot go on. Becomes a FAILED frame; the process exits with status 3."""

    def __init__(self, phase, message, hint="", kind="", traceback=""):
        super().__init__(message)
        self.frame = {
            "phase": phase, "kind": kind or phase, "message": message[:_MESSAGE], "traceback": traceback, "hint": hint[:_MESSAGE],
        }


class LinkClosed(Exception):
    """The front closed the link: there is nobody left to work for."""


class ClientDisconnected(OSError):
    """The client left while its response was being sent. An OSError, as ASGI 2.4 asks and PEP 3333 applications expect."""

    def __init__(self):
        super().__init__("the client has disconnected")


def message_of(error):
    """The one line that names an exception, as the last line of a traceback does."""
    return traceback.format_exception_only(type(error), error)[-1].strip()[:_MESSAGE]


def traceback_of(error):
    """The traceback of error without the leading frames of this package and of the import machinery, which say nothing
    about the application."""
    # Where nothing of the application is on the stack (the shim found a broken rule) the message is all there is to say.
    text = "".join(traceback.format_exception(type(error), error, application_part(error)))
    if len(text) <= _TRACEBACK:
        return text
    return text[:_TRACEBACK // 4] + "\n...\n" + text[-_TRACEBACK // 4 * 3:]  # where it begins, and what it ends with


def application_part(error):
    """The traceback object of error from the application's first frame on, or None."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_SILENT):
        tb = tb.tb_next
    return tb
