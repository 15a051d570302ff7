package python

import (
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// What a worker says at its end comes in one piece, and before it is said that it
// has ended.
func TestLastWords(t *testing.T) {
	s := serveApp(t, `
import os, traceback

def app(environ, start_response):
    try:
        1 / 0
    except ZeroDivisionError:
        traceback.print_exc()
    os._exit(7)
`, Config{Model: "sync"})
	s.expect(s.get("/"), 502, "")
	eventually(t, "the end is logged", func() bool { return s.log.Has("exited with status 7") })
	said, ended := -1, -1
	for i, line := range strings.Split(s.log.String(), "\n") {
		if said < 0 && strings.Contains(line, `Traceback (most recent call last):\n  File`) && strings.Contains(line, `\nZeroDivisionError: division by zero`) {
			said = i
		}
		if ended < 0 && strings.Contains(line, "exited with status 7") {
			ended = i
		}
	}
	if said < 0 || said > ended {
		t.Errorf("the traceback is line %d, the end line %d of\n%s", said, ended, s.log.String())
	}
}

// What applications say, by whichever way, says which request it is about.
func TestLogsNameRequests(t *testing.T) {
	const wsgi = `
import logging, sys, threading, warnings
logging.basicConfig(level=logging.DEBUG, format="%(message)s")
log = logging.getLogger("shop.cart")

def app(environ, start_response):
    print("printed", 1)
    print("part", end=""); print("s")
    print("to errors", file=sys.stderr)
    environ["wsgi.errors"].write("wsgi errors\n")
    log.debug("debugging")
    log.error("logged\nin lines")
    warnings.warn("warned")
    start_response("200 OK", [])
    return [environ["HTTP_X_REQUEST_ID"].encode()]
`
	const asgi = `
import asyncio, logging, sys, warnings
logging.basicConfig(level=logging.DEBUG, format="%(message)s")
log = logging.getLogger("shop.cart")

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await asyncio.sleep(0.01)
    print("printed", 1)
    print("part", end=""); print("s")
    print("to errors", file=sys.stderr)
    log.debug("debugging")
    await asyncio.to_thread(log.error, "logged\nin lines") if hasattr(asyncio, "to_thread") else log.error("logged\nin lines")
    warnings.warn("warned")
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": dict(scope["headers"])[b"x-request-id"]})
`
	for model, app := range map[string]string{"sync": wsgi, "gthread": wsgi, "asgi": asgi} {
		t.Run(model, func(t *testing.T) {
			s := serveApp(t, app, Config{Model: model, RequestIDField: "X-Request-ID", LogLevel: slog.LevelDebug})
			req, err := http.NewRequest("GET", "http://"+s.addr+"/", nil)
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("X-Request-ID", "the-id")
			req.Header.Set("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			s.expect(s.send(req), 200, "the-id")
			const about = "request_id=the-id trace_id=0af7651916cd43dd8448eb211c80319c"
			want := []string{
				`level=INFO msg="printed 1"`, `level=INFO msg=parts`, `level=WARN msg="to errors"`,
				`level=DEBUG msg=debugging`, `level=ERROR msg="logged\nin lines"`, `UserWarning: warned`,
			}
			for _, text := range want {
				eventually(t, text, func() bool { return s.log.Has(text) })
			}
			for line := range strings.SplitSeq(s.log.String(), "\n") {
				for _, text := range want {
					if strings.Contains(line, text) && !strings.Contains(line, about) {
						t.Errorf("it does not say what it is about: %s", line)
					}
				}
				if strings.Contains(line, "logged") && !strings.Contains(line, "logger=shop.cart") {
					t.Errorf("it does not say who logged it: %s", line)
				}
			}
		})
	}
}
