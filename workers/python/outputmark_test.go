package python

import (
	"io"
	"log/slog"
	"net/http"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestCutMark(t *testing.T) {
	pipe := outputMark{source: "stderr", level: slog.LevelWarn}
	for in, want := range map[string]outputMark{
		"\x1e\x1fabc\x1f\x1f\x1ftext":         {source: "stderr", level: slog.LevelWarn, requestID: "abc"},
		"\x1e\x1fabc\x1f0af7\x1f\x1ftext":     {source: "stderr", level: slog.LevelWarn, requestID: "abc", traceID: "0af7"},
		"\x1e40\x1f\x1f\x1fshop.cart\x1ftext": {source: "stderr", level: slog.LevelError, logger: "shop.cart", whole: true},
		"\x1e10\x1fa\xff\x1f\x1fl\x1ftext":    {source: "stderr", level: slog.LevelDebug, requestID: "a\uFFFD", logger: "l", whole: true},
		"\x1e25\x1f\x1f\x1f\x1ftext":          {source: "stderr", level: slog.Level(2), whole: true},
		"text":                                pipe,
		"\x1etext":                            pipe,
		"\x1ehigh\x1f\x1f\x1f\x1ftext":        pipe,
		"\x1e-1\x1f\x1f\x1f\x1ftext":          pipe,
		"\x1e\x1f\x1f\x1ftext":                pipe,
		"\x1e\x1f" + strings.Repeat("x", 2000) + "\x1f\x1f\x1ftext": pipe,
	} {
		mark, text := cutMark([]byte(in), pipe)
		if mark != want || !strings.HasSuffix(string(text), "text") || want != pipe && string(text) != "text" {
			t.Errorf("%q: %+v and %q", in, mark, text)
		}
	}
}

// A line with a mark may be longer than what is read at once, and stays one record.
func TestMarkedOutput(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newOutputPipes()
		long := strings.Repeat("x", 3*maxLine)
		for _, text := range []string{
			"\x1e\x1fone\x1f\x1f\x1fTraceback (most recent call last):\n\x1e\x1fone\x1f\x1f\x1f  File\n\x1e\x1fone\x1f\x1f\x1fValueError\n",
			"\x1e\x1ftwo\x1f\x1f\x1f  of another request\n",
			"\x1e40\x1ftwo\x1ft\x1fshop\x1ffailed\x1dTraceback (most recent call last):\x1d  File\x1d\x1dValueError\n",
			"\x1e20\x1f\x1f\x1fshop\x1f" + long + "\x1d  end\n",
			"\x1e20\x1f\x1f\x1fshop\x1f  indented\n",
			"plain\n",
		} {
			_, _ = io.WriteString(o.stderr, text)
		}
		got := o.end()
		for i := range got {
			// Where a line was read in pieces there is a line's end more.
			got[i] = strings.ReplaceAll(got[i], strings.Repeat("x", 100), "")
			for strings.Contains(got[i], "x\n") {
				got[i] = strings.ReplaceAll(strings.ReplaceAll(got[i], "x\n", "\n"), "\n\n", "\n")
			}
			got[i] = strings.ReplaceAll(got[i], "x", "")
		}
		want := []string{
			"stderr one: Traceback (most recent call last):\n  File\nValueError",
			"stderr two:   of another request",
			"shop stderr two t: failed\nTraceback (most recent call last):\n  File\n\nValueError",
			"", "shop stderr:   indented", "stderr: plain",
		}
		if len(got) != len(want) || !strings.HasPrefix(got[3], "shop stderr: ") || !strings.HasSuffix(got[3], "\n  end") {
			t.Fatalf("records are %q", got)
		}
		got[3] = ""
		if !slices.Equal(got, want) {
			t.Errorf("records are %q", got)
		}
	})
}

func FuzzCutMark(f *testing.F) {
	f.Add([]byte("\x1e40\x1fa\x1fb\x1fc\x1ftext"))
	f.Add([]byte("\x1e\x1f"))
	f.Fuzz(func(t *testing.T, line []byte) {
		pipe := outputMark{source: "stdout"}
		mark, text := cutMark(line, pipe)
		if !strings.HasSuffix(string(line), string(text)) || mark == pipe && len(text) != len(line) && line[0] != markStart {
			t.Fatalf("%q became %+v and %q", line, mark, text)
		}
	})
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
