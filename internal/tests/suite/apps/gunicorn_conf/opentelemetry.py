# A span processor has a thread, so each worker makes its own after the fork.
import json
import os

from opentelemetry import trace
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor, SpanExporter, SpanExportResult

bind = "127.0.0.1:0"


class ToFile(SpanExporter):
    def export(self, spans):
        with open(os.environ["SPANS"], "a") as file:
            for span in spans:
                print(json.dumps([span.name, dict(span.resource.attributes)["worker"]]), file=file)
        return SpanExportResult.SUCCESS


def post_fork(server, worker):
    server.log.info("Worker spawned (pid: %s)", worker.pid)
    provider = TracerProvider(resource=Resource.create({"service.name": "shop", "worker": worker.pid}))
    provider.add_span_processor(BatchSpanProcessor(ToFile()))
    trace.set_tracer_provider(provider)


def worker_exit(server, worker):
    trace.get_tracer_provider().shutdown()
