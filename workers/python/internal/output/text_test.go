package output

import (
	"strings"
	"testing"
)

func TestTracebacksAreCutOut(t *testing.T) {
	for name, test := range map[string]struct{ text, message, raised string }{
		"none":           {"one\ntwo", "one\ntwo", ""},
		"alone":          {plainTraceback, "ZeroDivisionError: division by zero", "ZeroDivisionError: division by zero"},
		"announced":      {"Exception on / [GET]\n" + plainTraceback, "Exception on / [GET]", "ZeroDivisionError: division by zero"},
		"chained":        {"x\n" + chainedTraceback, "x", "ZeroDivisionError: division by zero"},
		"a group":        {"x\n" + groupTraceback, "x", "ExceptionGroup: two (2 sub-exceptions)"},
		"groups":         {nestedGroup, "ExceptionGroup: outer (1 sub-exception)", "ExceptionGroup: outer (1 sub-exception)"},
		"several lines":  {plainTraceback + "\nand more", "ZeroDivisionError: division by zero\nand more", "ZeroDivisionError: division by zero\nand more"},
		"without an end": {tracebackHead + "\n  File", tracebackHead + "\n  File", ""},
		"within a line":  {"he said " + plainTraceback, "he said " + plainTraceback, ""},
	} {
		got := readText(test.text)
		if got.message != test.message || got.failure.Message != test.raised {
			t.Errorf("%s: %q and %q", name, got.message, got.failure.Message)
		}
		if whole := strings.TrimPrefix(got.message+"\n"+got.failure.Traceback, test.raised+"\n"); test.raised != "" && whole != test.text {
			t.Errorf("%s: of %q there is %q", name, test.text, whole)
		}
	}
}

const nestedGroup = `  + Exception Group Traceback (most recent call last):
  |   File "app.py", line 1, in outer
  | ExceptionGroup: outer (1 sub-exception)
  +-+---------------- 1 ----------------
    | Exception Group Traceback (most recent call last):
    |   File "app.py", line 2, in inner
    | ExceptionGroup: inner (1 sub-exception)
    +-+---------------- 1 ----------------
      | Traceback (most recent call last):
      |   File "app.py", line 3, in innermost
      | ValueError: one
      +------------------------------------`

func FuzzLogText(f *testing.F) {
	f.Add(plainTraceback)
	f.Add("x\n" + chainedTraceback)
	f.Add(nestedGroup)
	f.Fuzz(func(t *testing.T, text string) {
		got := readText(text)
		if !strings.HasSuffix(text, got.failure.Traceback) || !strings.HasPrefix(text, got.message) && got.message != got.failure.Message {
			t.Fatalf("%q became %+v", text, got)
		}
	})
}
