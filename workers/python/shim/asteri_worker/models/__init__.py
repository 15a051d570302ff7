"""The worker models, one module each. A model has

prepare(hello)                what must happen before the application is imported; raises Failure for a missing library
describe(hello, interface)    (capacity, body): how many calls may run at once, and "whole" or "stream" for request bodies
run(worker)                   announces READY and serves until SHUTDOWN
"""
NAMES = ("sync", "gthread", "gevent", "asgi", "tornado", "gtornado")
