# Settings alone, many of them worked out: from the machine, and from the environment.
import multiprocessing
import os


def env_int(name, default):
    return int(os.environ.get(name) or default)


cores = multiprocessing.cpu_count()
workers_per_core = float(os.getenv("WORKERS_PER_CORE", "1"))
web_concurrency = os.getenv("WEB_WORKERS")

host = os.getenv("HOST", "127.0.0.1")
bind = f"{host}:{os.getenv('APP_PORT', '0')}"
backlog = 512
workers = int(web_concurrency) if web_concurrency else min(cores * 2 + 1, 3)
worker_class = "gthread"
threads = 2
worker_connections = 200
timeout = env_int("TIMEOUT", 45)
graceful_timeout = env_int("GRACEFUL_TIMEOUT", 12)
keepalive = 5
max_requests = 1200
max_requests_jitter = 100
worker_tmp_dir = "/dev/shm"
forwarded_allow_ips = "*"

accesslog = "-"
errorlog = "-"
loglevel = os.getenv("LOG_LEVEL", "info").lower()
access_log_format = '%(h)s "%(r)s" %(s)s %(b)s %(D)sus'

daemon = False
pidfile = None
user = None
group = None
tmp_upload_dir = None
spew = False
preload_app = False
reload = os.getenv("APP_ENV") == "development"
print("workers:", workers, "cores:", cores)
