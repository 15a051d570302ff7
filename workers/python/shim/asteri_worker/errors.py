"""The errors of the worker itself, and how an application's errors are shown."""
import builtins
import importlib
import os
import traceback

_MESSAGE = 8 << 10  # characters of a message, and of a traceback: what is longer is cut
_TRACEBACK = 64 << 10
_KIND = 200  # characters of the name of an exception's class
_EXCEPTIONS = 2000  # causes and members of groups: of more than these the exception itself is shown, and not they
_TEXTS = 256 << 10  # characters of the texts of all of them, likewise
_SILENT = (os.path.dirname(__file__) + os.sep, importlib.__file__, "<frozen importlib")


class Failure(Exception):
    """Start-up cannot go on. Becomes a FAILED frame; the process exits with status 3."""

    def __init__(self, phase, message, hint="", kind="", traceback=""):
        super().__init__(message)
        self.frame = {
            "phase": phase, "kind": (kind or phase)[:_KIND], "message": message[:_MESSAGE], "traceback": traceback, "hint": hint[:_MESSAGE],
        }


class LinkClosed(Exception):
    """The front closed the link: there is nobody left to work for."""


class ClientDisconnected(OSError):
    """The client left while its response was being sent. An OSError, as ASGI 2.4 asks and PEP 3333 applications expect."""

    def __init__(self):
        super().__init__("the client has disconnected")


# What follows tells of exceptions that may be anything: with texts of any length, or that raise when they are looked at. It
# never raises itself.


def kind_of(error):
    """The name of the class of an exception, or of anything else, whatever its metaclass says."""
    return type.__dict__["__name__"].__get__(type(error))[:_KIND]


def message_of(error):
    """The one line that names an exception, as the last line of a traceback does."""
    try:
        if _is_usual(error):
            return traceback.format_exception_only(type(error), error)[-1].strip()[:_MESSAGE]
    except BaseException:
        pass
    return _plain_message(error)


def traceback_of(error):
    """The traceback of error without the leading frames of this package and of the import machinery, which say nothing
    about the application."""
    try:
        if _is_usual(error):
            # Where nothing of the application is on the stack (the shim found a broken rule) the message is all there is
            # to say.
            return _cut("".join(traceback.format_exception(type(error), error, application_part(error))))
    except BaseException:
        pass
    try:
        frames = traceback.format_tb(application_part(error))
        return _cut("".join(["Traceback (most recent call last):\n" if frames else "", *frames, _plain_message(error), "\n"]))
    except BaseException:
        return _plain_message(error)


def _cut(text):
    if len(text) <= _TRACEBACK:
        return text
    return text[:_TRACEBACK // 4] + "\n...\n" + text[-_TRACEBACK // 4 * 3:]  # where it begins, and what it ends with


def _is_usual(error):
    """Whether the library can show error within a moment. It looks at causes, and at members of groups, as often as each is
    referred to, at each line of a text, and it makes as many blanks as a SyntaxError says."""
    left, looked, told, size = [error], 0, set(), 0
    while left:
        one = left.pop()
        looked += 1
        size += len(str(one)) + len(type(one).__name__) + sum(map(len, map(str, getattr(one, "__notes__", None) or ())))
        if isinstance(one, SyntaxError):
            size += len(one.text or "") + (one.offset or 0) + (getattr(one, "end_offset", None) or 0)
        if looked > _EXCEPTIONS or size > _TEXTS:
            return False
        if isinstance(one, _GROUPS):
            left += one.exceptions
        for other in (one.__cause__, one.__context__):
            if other is not None and id(other) not in told:
                told.add(id(other))
                left.append(other)
    return True


_GROUPS = getattr(builtins, "BaseExceptionGroup", ())  # there are none before Python 3.11


def _plain_message(error):
    """message_of() of what the library cannot show."""
    try:
        text = str.__getitem__(str(error), slice(_MESSAGE))
    except BaseException:
        text = "<its text cannot be had>"
    return ("%s: %s" % (kind_of(error), text))[:_MESSAGE] if text else kind_of(error)


def application_part(error):
    """The traceback object of error from the application's first frame on, or None."""
    tb = error.__traceback__
    while tb is not None and tb.tb_frame.f_code.co_filename.startswith(_SILENT):
        tb = tb.tb_next
    return tb
