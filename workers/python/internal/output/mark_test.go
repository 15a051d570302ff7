package output

import (
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
)

func TestCutMark(t *testing.T) {
	pipe := lineMark{source: "stderr", level: slog.LevelWarn}
	for in, want := range map[string]lineMark{
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
		o := newTestPipes()
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
		pipe := lineMark{source: "stdout"}
		mark, text := cutMark(line, pipe)
		if !strings.HasSuffix(string(line), string(text)) || mark == pipe && len(text) != len(line) && line[0] != markStart {
			t.Fatalf("%q became %+v and %q", line, mark, text)
		}
	})
}
