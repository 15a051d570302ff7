"""What the workers of the tests are started with."""
import atexit
import glob
import os
import tempfile
from importlib import metadata
from marshal import dump

SHIM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read_sources():
    sources = {}
    modules = glob.glob(os.path.join(SHIM, "asteri_worker", "**", "*.py"), recursive=True)
    for path in [os.path.join(SHIM, "asteri_metrics.py"), *modules]:
        with open(path, encoding="utf-8") as f:
            sources[os.path.relpath(path, SHIM)] = f.read()
    return sources


def program(sources):
    """What a worker's Python reads from standard input, as shim.go makes it."""
    with open(os.path.join(SHIM, "boot.py"), encoding="utf-8") as f:
        return ("SOURCES = %s\n%s" % (ascii(sources), f.read())).encode()


def compiled(sources):
    """What spares a worker of this very Python the work to compile the shim, which is a third of a start: boot.py finds
    this compile() before the builtin one."""
    code = {name: compile(text, "<asteri-loop>/" + name, "exec", dont_inherit=True) for name, text in sources.items()}
    fd, path = tempfile.mkstemp(prefix="asteri-shim-code-")
    atexit.register(os.unlink, path)
    with os.fdopen(fd, "wb") as f:
        dump({"<asteri-loop>/" + name: c for name, c in code.items()}, f)
    return ("import marshal\nwith open(%r, 'rb') as CODE: CODE = marshal.load(CODE)\n"
            "def compile(source, name, *how, **more): return CODE[name]\ndel marshal\n" % path).encode()


# In a worker. gevent asks some 25 times who has a plugin for its patches, for which importlib.metadata reads each time about
# all that is installed: half of a start. Whoever wants more of importlib.metadata, or imports it, has the one of Python.
PLUGINS = """
import importlib
class Plugin(tuple):
    def load(self):
        module, _, attribute = self[1].partition(":")
        return getattr(importlib.import_module(module), attribute)
class Plugins:
    def entry_points(self, group=None):  # before Python 3.10 gevent picks the group itself
        groups = {}
        for plugin in map(Plugin, %r):
            groups.setdefault(plugin[0], []).append(plugin)
        return groups if group is None else groups.get(group, [])
    def __getattr__(self, name):
        return getattr(importlib.import_module("importlib.metadata"), name)
importlib.metadata = Plugins()
"""


def plugins():
    """PLUGINS for a worker of this very Python."""
    found = metadata.entry_points()
    groups = found.items() if isinstance(found, dict) else ((group, found.select(group=group)) for group in found.groups)
    return (PLUGINS % [(group, plugin.value) for group, those in groups for plugin in those if group.startswith("gevent.")]).encode()


SOURCES = read_sources()
PROGRAM = program(SOURCES)
COMPILED = compiled(SOURCES) + plugins()
# Of the environment in which the tests run, nothing that changes how Python starts. Unbuffered, it reads its program byte by byte.
ENVIRON = {**{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}, "PYTHONDONTWRITEBYTECODE": "1"}
