# Errors are reported by the workers, and what is left of them at the end.
import os

import sentry_sdk

bind = "127.0.0.1:0"
workers = 1
worker_class = "gthread"
threads = 4
raw_env = ["APP_ENV=test"]


def post_fork(server, worker):
    sentry_sdk.init(dsn=os.environ["SENTRY_DSN"], environment=os.environ["APP_ENV"], traces_sample_rate=0)
    sentry_sdk.set_tag("worker", str(worker.age))


def worker_exit(server, worker):
    sentry_sdk.flush(5)
