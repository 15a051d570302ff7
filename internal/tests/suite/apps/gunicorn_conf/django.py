# A project behind a proxy, whose connections to the database are each worker's own.
import os

wsgi_app = "djangosite.wsgi:application"
chdir = os.environ["PROJECT"]
raw_env = ["DJANGO_SETTINGS_MODULE=djangosite.settings", "DJANGO_DATABASE=" + os.environ["DATABASE"]]
bind = ["127.0.0.1:0"]
workers = 2
preload_app = True
secure_scheme_headers = {"X-FORWARDED-PROTO": "https"}
forwarded_allow_ips = "127.0.0.1"
limit_request_line = 8190
capture_output = True


def post_worker_init(worker):
    from django.conf import settings
    from django.db import connections

    connections.close_all()
    worker.log.info("Django is ready in %s: %s", worker.pid, settings.ROOT_URLCONF)


def worker_exit(server, worker):
    from django.db import connections

    connections.close_all()
