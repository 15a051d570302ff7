# How a worker starts. asteri-loop gives Python this program on standard input, behind SOURCES, the modules of the shim by
# path (see shim.go). So no file is on the disk that could be left behind, cleaned away or changed by somebody else.
import sys

if sys.path[:1] == [""]:  # the working directory: what lies there must not stand in for modules of Python
    del sys.path[0]

import os  # noqa: E402

if sys.version_info < (3, 9):  # said by a FAILED frame in words that any Python understands, not by the first thing that is missing
    import marshal
    import platform
    import struct

    os.read(3, 1 << 16)  # HELLO
    failed = marshal.dumps({
        u"phase": u"start", u"kind": u"version", u"traceback": u"",
        u"message": u"this is Python %s" % platform.python_version(),
        u"hint": u"asteri-loop runs applications in Python 3.9 or later; --python names one",
    }, 2)
    os.write(3, struct.pack("<IBBHI", len(failed), 65, 0, 0, 0) + failed)
    os._exit(3)

from importlib.machinery import ModuleSpec  # noqa: E402


class Importer:
    """Imports the shim's modules from memory."""

    def __init__(self, sources):
        self._sources = sources

    def find_spec(self, name, path=None, target=None):
        stem = name.replace(".", "/")
        for location in (stem + ".py", stem + "/__init__.py"):
            if location in self._sources:
                spec = ModuleSpec(name, self, origin="<asteri-loop>/" + location, is_package=location.endswith("/__init__.py"))
                spec.has_location = True
                return spec
        return None

    def create_module(self, spec):
        return None  # an ordinary one

    def exec_module(self, module):
        spec = module.__spec__
        exec(compile(self._source(spec), spec.origin, "exec", dont_inherit=True), module.__dict__)

    def get_source(self, name):
        """For tracebacks."""
        return self._source(self.find_spec(name))

    def _source(self, spec):
        return self._sources[spec.origin.partition("/")[2]]


sys.meta_path.insert(0, Importer(SOURCES))  # noqa: F821
del SOURCES
globals().pop("__file__", None)  # "<stdin>": the children of multiprocessing would look for such a file

# The program has been read to its end. The application's standard input is empty.
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)

from asteri_worker.__main__ import main  # noqa: E402

main()
