"""WSGI calls under gevent's models, as applications written for gevent know them."""
import unittest

from .front import Front
from .models import WSGI_MODELS

GREEN = [model for model in ("gevent", "gtornado") if model in WSGI_MODELS]


class Greenlets(unittest.TestCase):
    SOURCE = """
    import gc, threading, weakref
    import gevent, gevent.local
    LOCAL, THREADED = gevent.local.local(), threading.local()
    ended, seen, kept = [], [], []

    class Thing:
        pass

    def app(environ, start_response):
        start_response("200 OK", [])
        me, name = gevent.getcurrent(), environ["PATH_INFO"].strip("/")
        if environ["QUERY_STRING"] == "wait":
            gevent.sleep(0.001)
        left = sorted(LOCAL.__dict__) + sorted(THREADED.__dict__) + sorted(k for k in me.__dict__ if k == "mark") + sorted(me.spawn_tree_locals)
        if name == "set":
            LOCAL.a = THREADED.b = Thing()
            me.mark = 1
            me.spawn_tree_locals["c"] = 2
            seen.append(weakref.ref(LOCAL.a))
        elif name == "link":
            me.link(lambda greenlet: ended.append(greenlet is me))
        elif name == "linked":
            gevent.sleep(0.01)
            left = ended
        elif name == "alive":
            gevent.sleep(0.01)
            gc.collect()
            left = [ref() is not None for ref in seen]
        elif name == "keep":
            kept.append(me)
        elif name == "kill":
            gevent.killall(kept)
            left = [greenlet.dead for greenlet in kept]
        elif name == "die":
            gevent.kill(me)
            gevent.sleep(1)
        return [repr((isinstance(me, gevent.Greenlet), left)).encode()]
    """

    def told(self, front, path, query=""):
        return eval(front.call(path, query=query).body)

    def test_locals_end_with_the_request(self):
        for model in GREEN:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                for query in ("", "wait"):
                    for _ in range(3):
                        self.assertEqual(self.told(front, "/set", query), (True, []))
                        self.assertEqual(self.told(front, "/get", query), (True, []))
                    batch = front.post_batch([front.request(path, query=query) for path in ("/get", "/set") * 20])
                    front.wait_done(*batch)
                    self.assertEqual({bytes(stream.body) for stream in batch}, {b"(True, [])"})
                    self.assertEqual(set(self.told(front, "/alive")[1]), {False})
                self.assertEqual((front.shutdown(), front.output()), (0, ""))

    def test_links_are_called_at_the_end_of_the_request(self):
        for model in GREEN:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                self.told(front, "/link")
                self.assertEqual(self.told(front, "/linked"), (True, [True]))

    def test_greenlets_that_are_killed(self):
        """That of a request which goes on, or is over: others are served on."""
        for model in GREEN:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                for query in ("", "wait"):
                    for _ in range(3):
                        self.told(front, "/keep", query)
                        self.assertIn("GreenletExit", front.call("/die", query=query).error[0])
                    self.assertEqual(set(self.told(front, "/kill")[1]), {True})
                    for _ in range(3):
                        self.assertEqual(self.told(front, "/get", query), (True, []))
                self.assertEqual((front.shutdown(), front.output()), (0, ""))


class Batches(unittest.TestCase):
    SOURCE = """
    import os, time
    def app(environ, start_response):
        if environ["PATH_INFO"] == "/wait":
            blocked = time.monotonic() + 20
            while not os.path.exists("go") and time.monotonic() < blocked:
                pass  # which blocks the hub
        else:
            until = time.monotonic() + 0.002
            while time.monotonic() < until:
                pass
        start_response("200 OK", [])
        return [b"done"]
    """

    def test_answers_of_a_batch_do_not_wait_for_all_of_it(self):
        """Two that take longer than an answer is held: they are out before the last of the batch has begun."""
        for model in GREEN:
            with self.subTest(model=model), Front(self.SOURCE, model) as front:
                first, second, last = front.post_batch([front.request(path) for path in ("/", "/", "/wait")])
                front.wait(lambda: first.done and second.done, "the first two answers")
                self.assertFalse(last.done)
                front.touch("go")
                front.wait_done(last)


class Callbacks(unittest.TestCase):
    SOURCE = """
    import gevent, tornado.web
    class Handler(tornado.web.RequestHandler):
        def get(self):
            self.write(repr(isinstance(gevent.getcurrent(), gevent.Greenlet)))
    app = tornado.web.Application([("/", Handler)])
    """

    @unittest.skipUnless("gtornado" in GREEN, "needs gevent and tornado")
    def test_handlers(self):
        with Front(self.SOURCE, "gtornado") as front:
            self.assertEqual(bytes(front.call("/", headers=[("Host", "x")]).body), b"True")


class Plugins(unittest.TestCase):
    """Of gevent, which it looks for each time that it patches a module."""
    FILES = {
        "plugged.py": """
        from importlib import metadata
        events, reads, plain = [], [], metadata.MetadataPathFinder.find_distributions
        def find_distributions(*args, **kwargs):
            reads.append(len(events))
            return plain(*args, **kwargs)
        def seen(event):
            metadata.MetadataPathFinder.find_distributions = find_distributions
            events.append(type(event).__name__)
        """,
        "plugged-1.dist-info/METADATA": "Name: plugged\nVersion: 1\n",
        "plugged-1.dist-info/entry_points.txt": "[gevent.plugins.monkey.will_patch_module]\nplugged = plugged:seen\n",
    }
    SOURCE = """
    import plugged
    from importlib import metadata
    FOUND = repr((len(plugged.events) > 5, plugged.reads, metadata.entry_points.__module__))
    def app(environ, start_response):
        start_response("200 OK", [])
        return [FOUND.encode()]
    """

    def test_read_once(self):
        for model in GREEN:
            with self.subTest(model=model), Front(self.SOURCE, model, files=self.FILES) as front:
                self.assertEqual(bytes(front.call("/").body), repr((True, [], "importlib.metadata")).encode())


if __name__ == "__main__":
    unittest.main()
