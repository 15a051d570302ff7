"""WSGI under every model: streaming, back-pressure, cancellation, calls side by side."""
import unittest

from .front import ABORT, ANSWERS, PING, PONG, PROBE, RECALL, RECALLED, SHUTDOWN, STACK, STACKS, Front, frame
from .models import WSGI_MODELS
from .shared import shared
from .wsgi_app import APP, every_model


class Delivery(unittest.TestCase):
    @every_model()
    def test_generators_are_streamed(self, front):
        stream = front.start("/stream")
        front.wait(lambda: bytes(stream.body) == b"first", "the first block before the second is made")
        self.assertFalse(stream.ended or front.exists("closed"))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"firstsecond")
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_iterables_of_known_length_are_one_answer(self, front):
        stream = front.call("/exact")
        self.assertEqual((bytes(stream.body), stream.kinds[0]), (b"exact", ANSWERS))
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_whole_answer_does_not_wait_for_the_end_of_its_call(self, front):
        stream = front.start("/slowend")

        front.wait(lambda: stream.ended, "the answer while the call still runs")
        self.assertTrue(stream.lingers)
        self.assertFalse(stream.done)
        front.touch("go")
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_more_than_content_length(self, front):
        stream = front.call("/toolong")
        # As a stream the front sees the excess; as an answer already on its way the excess is dropped.
        self.assertIn(bytes(stream.body), (b"exactmore", b"exact"))
        self.assertTrue(front.exists("closed"))
        self.assertIn(bytes(front.call("/writelate").body), (b"exactmore", b"exact"))

    @every_model(auto_window=False)
    def test_large_body_keeps_to_the_window(self, front):
        stream = front.start("/big")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.grant(stream.number, 100000)
        front.wait(lambda: len(stream.body) == 362144, "what was granted")
        self.assertFalse(stream.done)
        front.grant(stream.number, 1000000)
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"x" * 1000000)

    @every_model(auto_window=False)
    def test_client_leaves_a_blocked_response(self, front):
        stream = front.start("/endless")
        front.wait(lambda: len(stream.body) == 262144, "a full window")
        front.cancel(stream)
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))
        self.assertNotIn(ABORT, stream.kinds)
        self.assertEqual(bytes(front.call("/").body), b"Hello, World!")

    @every_model()
    def test_client_leaves_a_flowing_response(self, front):
        stream = front.start("/endless")
        front.wait(lambda: len(stream.body) > 500000, "some of it")
        front.cancel(stream)
        front.wait_done(stream)
        self.assertTrue(front.exists("closed"))

    @every_model()
    def test_half_closed_client_is_answered(self, front):
        stream = front.start("/stream")
        front.wait(lambda: stream.body, "the first block")
        front.cancel(stream, hard=False)
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual(bytes(stream.body), b"firstsecond")

    @every_model(alone=True)
    def test_shutdown_lets_calls_finish(self, front):
        stream = front.start("/sleep", query="1")
        front.wait_file("sleeping-1")
        front.send(frame(SHUTDOWN, 0))
        front.touch("go")
        front.wait_done(stream)
        self.assertEqual((bytes(stream.body), front.process.wait(10)), (b"slept", 0))
        self.assertEqual(front.output(), "")

    @every_model()
    def test_finished_answers_do_not_wait_for_slow_calls(self, front):
        quick, slow = front.post_batch([front.request("/"), front.request("/sleep", query="1")])
        front.wait(lambda: quick.done, "the quick answer")
        self.assertFalse(slow.done)
        front.touch("go")
        front.wait_done(slow)

    @every_model()
    def test_probe(self, front):
        """It is answered once all that came before has been begun with, whatever that goes on to do."""
        front.send(frame(PROBE, 0))
        front.wait(lambda: front.probed == 1, "the answer to the PROBE")
        quick = front.start("/")
        front.send(frame(PROBE, 0))
        front.wait(lambda: front.probed == 2, "the second answer")
        front.wait_done(quick)

    def test_recall(self):
        """What has not been started is given back, also when nobody has read it; the rest is not."""
        for model in ("sync", "tornado"):
            if model not in WSGI_MODELS:
                continue
            with self.subTest(model=model), Front(APP, model) as front:
                slow, waiting = front.post_batch([front.request("/sleep", query="1"), front.request("/")])
                front.wait_file("sleeping-1")
                unread = front.start("/")
                front.control_frame(RECALL, [slow.number, waiting.number, unread.number])
                self.assertEqual(front.reply(RECALLED), [waiting.number, unread.number])
                last = front.start("/")
                front.touch("go")
                front.wait_done(slow, last)
                self.assertEqual((waiting.kinds, unread.kinds), ([], []))

    def test_cancelled_before_it_started(self):
        for model in ("sync", "tornado"):
            if model not in WSGI_MODELS:
                continue
            with self.subTest(model=model), shared(APP, model) as front:
                slow, waiting = front.post_batch([front.request("/sleep", query="1"), front.request("/sleep", query="2")])
                front.wait_file("sleeping-1")
                unread = front.start("/sleep", query="3")
                front.cancel(waiting)
                front.wait_done(waiting)
                front.cancel(unread)
                front.control_frame(PING, raw=b"12345678")
                self.assertEqual(front.reply(PONG), b"12345678")
                front.touch("go")
                front.wait_done(slow, unread)
                self.assertFalse(front.exists("sleeping-2") or front.exists("sleeping-3"))

    @every_model()
    def test_stacks(self, front):
        stream = front.start("/sleep", query="1")
        front.wait_file("sleeping-1")
        front.control_frame(STACK, stream.number)
        self.assertIn("do_sleep", "".join(front.reply(STACKS).values()))
        front.control_frame(STACK, 0)
        self.assertIn("do_sleep", "".join(front.reply(STACKS).values()))


class Concurrency(unittest.TestCase):
    def overlap(self, model, count):
        """Whether count calls, as many as a Front asks threads for, that wait for each other all run at once."""
        with shared(APP, model) as front:
            streams = front.post_batch([front.request("/sleep", query=str(i)) for i in range(count)])
            front.wait_file("sleeping-0")
            if model in ("sync", "tornado"):
                front.control_frame(PING, raw=b"12345678")
                front.reply(PONG)
                self.assertFalse(front.exists("sleeping-1"))
            else:
                for i in range(count):
                    front.wait_file("sleeping-%d" % i)
            front.touch("go")
            front.wait_done(*streams)

    def test_models(self):
        for model in WSGI_MODELS:
            with self.subTest(model=model):
                self.overlap(model, 4)

    def test_gthread_never_runs_more_than_its_threads(self):
        with Front(APP, "gthread", threads=2) as front:
            streams = front.post_batch([front.request("/sleep", query=str(i)) for i in range(4)])
            for i in range(2):
                front.wait_file("sleeping-%d" % i)
            front.control_frame(PING, raw=b"12345678")
            front.reply(PONG)
            self.assertFalse(front.exists("sleeping-2") or front.exists("sleeping-3"))
            front.touch("go")
            front.wait_done(*streams)

    def test_gthread_reads_windows_with_all_threads_busy(self):
        with Front(APP, "gthread", threads=2, auto_window=False) as front:
            streams = [front.start("/big"), front.start("/big")]
            front.wait(lambda: all(len(s.body) == 262144 for s in streams), "full windows")
            waiting = front.start("/")
            for stream in streams:
                front.grant(stream.number, 1000000)
            front.wait_done(*streams, waiting)

    def test_gthread_under_load_with_blocking_calls(self):
        source = """
        import time
        def app(environ, start_response):
            time.sleep(0.001 * (hash(environ["PATH_INFO"]) % 5))
            start_response("200 OK", [])
            return [environ["PATH_INFO"].encode()]
        """
        with Front(source, "gthread", threads=8) as front:
            streams = []
            for i in range(100):
                streams += front.post_batch([front.request("/%d-%d" % (i, j)) for j in range(10)])
                if i % 10 == 9:
                    front.wait_done(*streams)
            self.assertEqual(front.shutdown(), 0)
            self.assertEqual({bytes(s.body) for s in streams}, {b"/%d-%d" % (i, j) for i in range(100) for j in range(10)})


if __name__ == "__main__":
    unittest.main()
