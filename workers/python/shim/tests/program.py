"""What the workers of the tests are started with."""
import glob
import os
import sys
from importlib._bootstrap_external import MAGIC_NUMBER
from marshal import dumps

SHIM = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))


def read(name):
    with open(os.path.join(SHIM, name), "rb") as f:
        return f.read()


def compiled(sources):
    """What compile.py makes of them."""
    return {path: dumps(compile(source, "<asteri-loop>/" + path, "exec", dont_inherit=True)) for path, source in sources.items()}


modules = glob.glob(os.path.join(SHIM, "asteri_worker", "**", "*.py"), recursive=True)
SOURCES = {path: read(path) for path in ["asteri_metrics.py", *(os.path.relpath(path, SHIM) for path in modules)]}
BOOT = read("boot.py")
COMPILER = read("compile.py")
THIS_PYTHON = MAGIC_NUMBER + sys.version.encode()
# The payloads of PROGRAM: as later workers of a server get it, and the first one.
COMPILED = dumps((SOURCES, compiled(SOURCES), THIS_PYTHON), 4)
SOURCE_ONLY = dumps((SOURCES, {}, b""), 4)
# Of the environment in which the tests run, nothing that changes how Python starts.
ENVIRON = {**{name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"}, "PYTHONDONTWRITEBYTECODE": "1"}
