"""SHUTDOWN that comes at a bad moment."""
import unittest

from .front import SHUTDOWN, STACK, STACKS, WSGI, Front, frame
from .models import WSGI_MODELS

# The main thread is held between its look at `closing` and its parking until the worker closes.
HELD = """
import time
from asteri_worker import watch
park = watch.Watch._park
def late(self):
    open("parking", "w").close()
    model = self._on_slow.__self__
    until = time.monotonic() + 30
    while not (model.closing and model._leader.leading == [] and not model._runners_left()) and time.monotonic() < until:
        time.sleep(0.005)
    park(self)
watch.Watch._park = late
from asteri_worker.models import gthread
def left(self):
    return any(thread.is_alive() for thread in self._threads)
gthread.GThread._runners_left = left
"""


class Shutdown(unittest.TestCase):
    def test_while_the_main_thread_falls_asleep(self):
        with Front(HELD + WSGI, "gthread") as front:
            front.call("/")
            front.wait_file("parking")
            front.send(frame(SHUTDOWN, 0))
            self.assertEqual(front.process.wait(10), 0)

    def test_while_a_response_waits_for_its_window(self):
        source = "def app(e, s):\n s('200 OK', [])\n return [b'x' * 1000000]\n"
        for model in WSGI_MODELS:
            with self.subTest(model=model), Front(source, model, auto_window=False) as front:
                stream = front.start("/")
                front.wait(lambda: len(stream.body) == 262144, "a full window")
                front.send(frame(SHUTDOWN, 0))
                joining = model != "gthread"  # it waits for its threads then
                while not joining:
                    front.control_frame(STACK, 0)
                    joining = " in join\n" in front.reply(STACKS)["MainThread"]
                for _ in range(3):
                    front.grant(stream.number, 262144)
                front.wait_done(stream)
                self.assertEqual((len(stream.body), front.process.wait(10)), (1000000, 0))


if __name__ == "__main__":
    unittest.main()
