"""Runs the tests on several Pythons, some files of them at a time: python -m tests PYTHON... PYTHON is an interpreter that has
the libraries. To run one file on one Python: python -m unittest tests.test_link."""
import os
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor, as_completed

TESTS = os.path.dirname(os.path.abspath(__file__))
# Tests mostly compute, start workers that is, and sometimes wait for them.
JOBS = (os.cpu_count() or 1) + 1
DEADLINE = 600.0  # seconds for one file


def run(python, name):
    """Whether the tests of one file pass, what they say, and how many seconds they take."""
    began = time.monotonic()
    process = subprocess.Popen([python, "-B", "-m", "unittest", "--quiet", "tests." + name], cwd=os.path.dirname(TESTS),
                               stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, start_new_session=True)
    try:
        said = process.communicate(timeout=DEADLINE)[0].decode(errors="replace")
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said = process.communicate()[0].decode(errors="replace") + "\nafter %.0f s it had not ended" % DEADLINE
    return process.returncode == 0, said.strip(), time.monotonic() - began


def main(pythons):
    names = [name[:-3] for name in os.listdir(TESTS) if name.startswith("test_") and name.endswith(".py")]
    names.sort(key=lambda name: -os.path.getsize(os.path.join(TESTS, name + ".py")))  # what takes long does not come last
    failed = []
    with ThreadPoolExecutor(JOBS) as pool:
        jobs = {pool.submit(run, python, name): (python, name) for name in names for python in pythons}
        for job in as_completed(jobs):
            passed, said, seconds = job.result()
            what = "%s with %s" % (jobs[job][1], jobs[job][0])
            if not passed:
                failed.append(what)
                print(said)
            print("%s: %s, %.1f s" % (what, said.rpartition("\n")[2] if passed else "FAILED", seconds), flush=True)
    for what in failed:
        print("failed:", what)
    return bool(failed)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
