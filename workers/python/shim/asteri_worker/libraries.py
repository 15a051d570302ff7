"""Whether the libraries that a model needs are there. Finds them without importing them: gevent must patch first."""
import importlib.util
import sys

from .errors import Failure


def require(*names):
    """Raises Failure, with what to install, if one of names is missing."""
    missing = [name for name in names if importlib.util.find_spec(name) is None]
    if missing:
        raise Failure("library", "%s %s not installed in this Python (%s)" % (
            " and ".join(missing), "is" if len(missing) == 1 else "are", sys.executable),
            "pip install " + " ".join(missing), "ModuleNotFoundError")


def require_loop(kind):
    """The same for an event loop that was asked for."""
    if kind == "uvloop":
        require("uvloop")
