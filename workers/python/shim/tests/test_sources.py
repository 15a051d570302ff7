"""Which files workers say that the application has imported, and that these are imported as they are."""
import os
import unittest

from .front import Front

SOURCES = 140

APP = """
import json, sys, types
import flat
import package.inner

class Strange(types.ModuleType):
    @property
    def __dict__(self):
        raise RuntimeError("nobody may look")
sys.modules["strange"] = Strange("strange")
sys.modules["strange.one"] = None
sys.modules["stranger"] = 5

def app(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        import late
    start_response("200 OK", [])
    return [flat.VALUE]
"""
FILES = {"flat.py": "VALUE = b'one'\n", "package/__init__.py": "", "package/inner.py": "", "late.py": ""}


def told(front):
    return {os.path.relpath(file, os.path.realpath(front.directory)) for kind, files in list(front.replies) if kind == SOURCES for file in files}


class Sources(unittest.TestCase):
    def test_imported(self):
        first = {"fixture.py", "flat.py", os.path.join("package", "__init__.py"), os.path.join("package", "inner.py")}
        for model in ("sync", "gthread"):
            with self.subTest(model=model), Front(APP, model, files=FILES, sources=True) as front:
                front.wait(lambda: told(front) >= first, "what was imported at the start")
                self.assertEqual(told(front), first)
                front.call("/late")
                front.wait(lambda: told(front) > first, "what was imported later")
                self.assertEqual(told(front), first | {"late.py"})
                self.assertEqual(front.shutdown(), 0)

    def test_not_wanted(self):
        with Front(APP, "sync", files=FILES) as front:
            front.call("/late")
            self.assertEqual(front.shutdown(), 0)
            self.assertEqual(told(front), set())

    def test_failed(self):
        for name, text in {"syntax": "x = = 1\n", "error": "1 / 0\n", "missing": "import nowhere\n"}.items():
            with self.subTest(name), Front(APP, files={**FILES, "flat.py": text}, sources=True) as front:
                self.assertIn(os.path.join(os.path.realpath(front.directory), "flat.py"), front.failed["sources"])
                self.assertIn(os.path.join(os.path.realpath(front.directory), "fixture.py"), front.failed["sources"])
                self.assertFalse([file for file in front.failed["sources"] if "asteri" in os.path.basename(file)])

    def test_failed_with_many_files(self):
        """The reason is told, and those that it is about, however many others there are."""
        app = """
            import sys, types
            for number in range(9000):
                module = sys.modules["m%d" % number] = types.ModuleType("m")
                module.__file__ = "/srv/" + "d" * 150 + "/%d.py" % number
            raise LookupError("the real reason")
        """
        with Front(app, files=FILES, sources=True) as front:
            self.assertIn("the real reason", front.failed["message"])
            self.assertIn(os.path.join(os.path.realpath(front.directory), "fixture.py"), front.failed["sources"])

    def test_written_twice_within_a_second(self):
        """Two files of one size and second, of which Python would keep the code of the first."""
        app = """
            import importlib, os, sys
            sys.dont_write_bytecode = False
            import flat
            def app(environ, start_response):
                written = os.stat(flat.__file__).st_mtime
                with open(flat.__file__, "w") as file:
                    file.write("VALUE = b'two'\\n")
                os.utime(flat.__file__, (written, written))
                importlib.reload(flat)
                start_response("200 OK", [])
                return [flat.VALUE]
        """
        for sources, value in ((False, b"one"), (True, b"two")):
            with Front(app, "sync", files=FILES, sources=sources) as front:
                self.assertEqual(bytes(front.call("/").body), value)
