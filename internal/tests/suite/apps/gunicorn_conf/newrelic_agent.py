# The agent is initialised before the application is imported.
import newrelic.agent

bind = "127.0.0.1:0"
settings = newrelic.agent.global_settings()
settings.developer_mode = True
settings.app_name = "shop"


def post_fork(server, worker):
    newrelic.agent.initialize()
    newrelic.agent.register_application(timeout=10.0)


def post_worker_init(worker):
    worker.log.info("the agent watches %r: %s", type(worker.wsgi).__name__, newrelic.agent.application().enabled)
