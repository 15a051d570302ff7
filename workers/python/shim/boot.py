# How a worker starts. asteri-loop gives Python this program on standard input, and the modules of the shim as the first frame
# of the link (see PROGRAM in PROTOCOL.md). So no file is on the disk that could be left behind, cleaned away or changed by
# somebody else. It is short because an unbuffered Python reads standard input byte by byte.
import sys

if sys.path[:1] == [""]:  # the working directory: what lies there must not stand in for modules of Python
    del sys.path[0]

import marshal  # noqa: E402
import os  # noqa: E402
import struct  # noqa: E402


def read(count):
    data = bytearray()
    while len(data) < count:
        try:
            piece = os.read(3, count - len(data))
        except OSError:
            sys.exit("asteri_worker is started by asteri-loop: descriptor 3 is not its socket")
        if not piece:
            os._exit(0)  # the front has gone
        data += piece
    return data


def read_frame():
    return read(struct.unpack("<IQ", bytes(read(12)))[0])


program = read_frame()
if sys.version_info < (3, 9):  # said by a FAILED frame in words that any Python understands, not by the first thing that is missing
    import platform

    read_frame()  # HELLO
    failed = marshal.dumps({
        u"phase": u"start", u"kind": u"version", u"traceback": u"",
        u"message": u"this is Python %s" % platform.python_version(),
        u"hint": u"asteri-loop runs applications in Python 3.9 or later; --python names one",
    }, 2)
    os.write(3, struct.pack("<IBBHI", len(failed), 65, 0, 0, 0) + failed)
    os._exit(3)

from importlib._bootstrap_external import MAGIC_NUMBER  # noqa: E402
from importlib.machinery import ModuleSpec  # noqa: E402


class Importer:
    """Imports the shim's modules from memory."""

    def __init__(self, sources, code, made_by):
        self._sources = sources
        self.compiles = made_by != MAGIC_NUMBER + sys.version.encode()  # code of another Python is of no use
        self.code = {} if self.compiles else code

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
        origin = module.__spec__.origin
        location = origin.partition("/")[2]
        code = self.code.pop(location, None)
        code = marshal.loads(code) if code else compile(self._sources[location], origin, "exec", dont_inherit=True)
        exec(code, module.__dict__)

    def get_source(self, name):
        """For tracebacks."""
        return self._sources[self.find_spec(name).origin.partition("/")[2]].decode()


sys.meta_path.insert(0, Importer(*marshal.loads(program)))
del program
globals().pop("__file__", None)  # "<stdin>": the children of multiprocessing would look for such a file

# The program has been read to its end. The application's standard input is empty.
null = os.open(os.devnull, os.O_RDONLY)
os.dup2(null, 0)
os.close(null)

if sys.argv[2:3] == ["hooks"]:
    from asteri_worker.helper import main
else:
    from asteri_worker.__main__ import main

main()
