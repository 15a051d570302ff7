"""The pieces of the link that need no worker process: frames, answers that marshal refuses, recalls."""
import itertools
import os
import random
import socket
import sys
import threading
import time
import unittest
import unittest.mock
from marshal import dumps, loads

sys.path.insert(0, os.path.dirname(os.path.dirname(os.path.abspath(__file__))))

from asteri_worker import control, errors, link, logs, threads  # noqa: E402
from asteri_worker.control import Intake  # noqa: E402
from asteri_worker.errors import LinkClosed  # noqa: E402
from asteri_worker.link import after, frame  # noqa: E402


class Lingering(unittest.TestCase):
    def test_the_end_of_a_call_follows_its_answer(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            one = link.ThreadsLoopLink(ours, None, None)

            class Tail:
                def pop(self):  # the call ends on its thread in this very moment
                    self.end = threading.Thread(target=one.done, args=(1,))
                    self.end.start()
                    self.end.join(0.1)
                    return 1, 200, (), b""

            tail = Tail()
            one.linger(tail)
            tail.end.join()
            one.flush()
            kinds = [kind for kind, *_ in link.FrameReader(theirs).receive()]
            self.assertEqual(kinds, [link.ANSWERS, link.DONE])


class Frames(unittest.TestCase):
    def read_all(self, data, cut):
        """The frames that a reader makes of data sent in pieces that cut() gives the sizes of."""
        ours, theirs = socket.socketpair()
        with ours, theirs:
            reader, frames = link.FrameReader(ours), []
            while data:
                size = cut()
                theirs.sendall(data[:size])
                data = data[size:]
                frames += reader.receive()
            theirs.close()
            with self.assertRaises(LinkClosed):
                while True:
                    frames += reader.receive()
            return frames

    def test_every_cut(self):
        requests = [(1, "GET", b"x"), (2, "POST", None)]
        data = frame(link.REQUESTS, 0, dumps(requests, 4)) + frame(link.BODY, 2, b"", 1) + frame(link.WINDOW, 1, b"1234")
        expected = [(link.REQUESTS, 0, 0, requests), (link.BODY, 1, 2, b""), (link.WINDOW, 0, 1, b"1234")]
        self.assertEqual(self.read_all(data, lambda: 1), expected)
        chance = random.Random(1)
        for _ in range(50):
            self.assertEqual(self.read_all(data, lambda: chance.randint(1, 40)), expected)

    def test_large_frames(self):
        chance = random.Random(2)
        bodies = [chance.randbytes(n) if hasattr(chance, "randbytes") else os.urandom(n) for n in (10, 700000, 3, 300000, 2000000, 5)]
        data = b"".join(frame(link.BODY, 1, body) for body in bodies)
        frames = self.read_all(data, lambda: chance.randint(1, 100000))
        self.assertEqual([f[3] for f in frames], bodies)

    def test_oversized_frame(self):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            reader = link.FrameReader(ours)
            theirs.sendall(b"\xff\xff\xff\x7f" + bytes(8))
            reader.receive()
            theirs.sendall(b"x")
            with self.assertRaises(LinkClosed):
                reader.receive()

    def test_stream_order(self):
        self.assertTrue(after(2, 1))
        self.assertFalse(after(1, 1))
        self.assertFalse(after(1, 2))
        self.assertTrue(after(1, 0xFFFFFFFF))
        self.assertFalse(after(0xFFFFFFFF, 1))


class Text(str):
    pass


class Answers(unittest.TestCase):
    def sent(self, *answers):
        ours, theirs = socket.socketpair()
        with ours, theirs:
            blocking = link.BlockingLink(ours)
            blocking.answers.extend(answers)
            writer = threading.Thread(target=lambda: (blocking.flush(), ours.shutdown(socket.SHUT_WR)))
            writer.start()
            data = b""
            while True:
                piece = theirs.recv(1 << 20)
                if not piece:
                    break
                data += piece
            writer.join()
        frames = []
        while data:
            length, kind, _, _, stream = link._HEADER.unpack_from(data)
            payload = data[12:12 + length]
            frames.append((kind, stream, loads(payload) if payload else None))
            data = data[12 + length:]
        return frames

    def test_one_frame_a_batch(self):
        answers = [(n, 200, ("A", "b"), b"body") for n in range(50)]
        self.assertEqual(self.sent(*answers), [(link.ANSWERS, 0, answers)])

    def test_odd_values_spoil_only_their_own_answer(self):
        frames = self.sent((1, 200, (), b""), (2, 200, (Text("X"), Text("\xe9"), b"Y", bytearray(b"z")), b""),
                           (3, 200, (Text("X"), Text("\u20ac")), b""), (4, 200, (1, 2, Text("x")), b"", True), (5, 200, (), b""))
        answers = [a for kind, _, payload in frames if kind == link.ANSWERS for a in payload]
        self.assertEqual(answers, [(1, 200, (), b""), (2, 200, ("X", "\xe9", b"Y", b"z"), b""), (5, 200, (), b"")])
        self.assertEqual([(k, s) for k, s, _ in frames if k != link.ANSWERS], [(link.ERROR, 3), (link.DONE, 3), (link.ERROR, 4)])

    def test_batches_larger_than_a_frame(self):
        answers = [(n, 200, (), bytes(65536)) for n in range(300)]
        frames = self.sent(*answers)
        self.assertGreater(len(frames), 1)
        self.assertEqual([a for _, _, payload in frames for a in payload], answers)
        frames = self.sent((1, 200, ("X", "x" * (17 << 20)), b""))
        self.assertEqual([k for k, _, _ in frames], [link.ERROR, link.DONE])


class Bounds(unittest.TestCase):
    """What the front ends a worker for, the shim never sends, whatever its application does."""

    def test_answers_of_a_frame(self):
        frames = link._answers([(n, 200, (), b"") for n in range(300)])
        answers = [loads(f[12:]) for f in frames]
        self.assertEqual([a[0] for batch in answers for a in batch], list(range(300)))
        self.assertLessEqual(max(map(len, answers)), 64)

    def test_fields_of_a_head(self):
        self.assertEqual(len(link.flat([("a", "b")] * 1000)), 2000)
        for headers in ([("a", "b")] * 1001, iter([("a", "b")] * 1001)):
            with self.assertRaises(ValueError):
                link.flat_iterable(headers)

    def test_records_of_the_log(self):
        class Kept:
            def __init__(self):
                self.frames = []

            put = property(lambda self: self.frames.append)

            def nudge(self):
                pass

        kept = Kept()
        text = "\u20ac" * 200000
        logs.Log(kept, 20)(40, text, 7, "l")
        logs.Log(kept, 20)(40, "", 7, "l")
        records = [loads(f[12:]) for f in kept.frames]
        self.assertEqual("".join(r[2] for batch in records for r in batch), text)
        self.assertEqual({(len(batch), r[0], r[1], r[3]) for batch in records for r in batch}, {(1, 40, "l", 7)})
        self.assertLessEqual(max(len(r[2].encode()) for batch in records for r in batch), 256 << 10)

    def test_errors(self):
        try:
            raise ValueError("m" * 10**6)
        except ValueError as error:
            message, text = errors.message_of(error), errors.traceback_of(error)
        self.assertTrue(message.startswith("ValueError: m") and len(message) <= 8192)
        self.assertTrue("Traceback" in text[:100] and text.endswith("m\n") and len(text) <= 70000)
        failure = errors.Failure("startup", "m" * 10**6, "h" * 10**6)
        self.assertLess(sum(map(len, failure.frame.values())), 20000)

    def test_stacks(self):
        for stacks in ({"t": "s" * 10**7}, {"n%d" % n: "\u20ac" * 10**5 for n in range(1000)}, {"n" * 10**6 + str(n): "s" for n in range(9)}):
            told = control._readable(stacks)
            self.assertTrue(0 < len(told) <= 500)
            self.assertLess(len(dumps(told, 4)), 4 << 20)


class Waits(unittest.TestCase):
    """Of locks, on a Python whose own wait by the monotonic clock, and on one whose do not."""

    def test_in_time_and_in_vain(self):
        for steady in (True, False):
            with self.subTest(steady=steady), unittest.mock.patch.object(threads, "_STEADY", steady):
                lock = threading.Lock()
                self.assertTrue(threads.acquire(lock, 0))
                began = time.monotonic()
                self.assertFalse(threads.acquire(lock, 0.05))
                self.assertGreaterEqual(time.monotonic() - began, 0.049)
                threading.Timer(0.02, lock.release).start()
                self.assertTrue(threads.acquire(lock, 20))


class Recalls(unittest.TestCase):
    def setUp(self):
        self.intake = Intake()

    def test_waiting_unread_and_started(self):
        self.intake.add([(1,), (2,), (3,)])
        self.intake.waiting.popleft()
        self.assertEqual(self.intake.recall([1, 2, 5]), [2, 5])
        self.assertEqual(self.intake.add([(4,), (5,), (6,)]), [])
        self.assertEqual([r[0] for r in self.intake.waiting], [3, 4, 6])
        self.assertEqual(self.intake.recall([5, 2]), [])

    def test_cancel(self):
        self.intake.add([(1,), (2,)])
        self.intake.waiting.popleft()
        self.assertIs(self.intake.cancel(1, True), False)
        self.assertIs(self.intake.cancel(2, False), False)
        self.assertIs(self.intake.cancel(2, True), True)
        self.assertIs(self.intake.cancel(3, True), None)
        self.assertIs(self.intake.cancel(4, False), None)
        self.assertEqual(self.intake.add([(3,), (4,)]), [3])
        self.assertIn(4, self.intake.leaving)
        self.assertEqual([r[0] for r in self.intake.waiting], [4])
        self.intake.add([(5,)])
        self.assertNotIn(4, self.intake.leaving)

    def test_what_is_given_back_unread_ends_once(self):
        """The front sends RECALL and CANCEL in either order, and perhaps twice, before the request is read. One end is told:
        RECALLED, or the DONE of those that add() returns."""
        recall, hard, soft = (lambda: self.intake.recall([5])), (lambda: self.intake.cancel(5, True)), (lambda: self.intake.cancel(5, False))
        for steps in itertools.product((None, recall, hard, soft), repeat=4):
            self.intake = Intake()
            given = [step() for step in steps if step is not None]
            ended = list(self.intake.add([(4,), (5,), (6,)]))
            waiting = [r[0] for r in self.intake.waiting]
            told = given.count([5]) + ended.count(5) + waiting.count(5)
            self.assertEqual((told, [s for s in waiting if s != 5]), (1, [4, 6]), steps)
            self.assertEqual(recall in steps, [5] in given)
            self.assertFalse(self.intake.recall([5]) and not waiting.count(5))
            self.assertEqual((self.intake._recalled, self.intake._dropped), (set(), set()))

    def test_a_request_is_started_or_given_back_never_both(self):
        """Two threads race for the same requests."""
        started, given = [], []
        self.intake.add([(n,) for n in range(1, 20001)])

        def start():
            try:
                while True:
                    started.append(self.intake.waiting.popleft()[0])
            except IndexError:
                pass

        def recall():
            for n in range(20000, 0, -7):
                given.extend(self.intake.recall([n]))

        threads = [threading.Thread(target=start), threading.Thread(target=recall)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(sorted(started + given), list(range(1, 20001)))


if __name__ == "__main__":
    unittest.main()
