package trace

import (
	"bytes"
	"encoding/hex"
	"regexp"
	"testing"

	"github.com/asteri/asteri-loop"
)

const (
	testTrace = "0af7651916cd43dd8448eb211c80319c"
	testSpan  = "b7ad6b7169203331"
)

func TestParseParent(t *testing.T) {
	for in, sampled := range map[string]bool{
		"00-" + testTrace + "-" + testSpan + "-01":        true,
		"00-" + testTrace + "-" + testSpan + "-00":        false,
		"00-" + testTrace + "-" + testSpan + "-03":        true,
		"00-" + testTrace + "-" + testSpan + "-fe":        false,
		"cc-" + testTrace + "-" + testSpan + "-01":        true,
		"cc-" + testTrace + "-" + testSpan + "-01-more.x": true,
	} {
		c, ok := parseParent([]byte(in))
		if !ok || hex.EncodeToString(c.traceID[:]) != testTrace || hex.EncodeToString(c.spanID[:]) != testSpan || c.sampled != sampled {
			t.Errorf("%s: %+v, %v", in, c, ok)
		}
	}
	for _, in := range []string{
		"", "00", "00-" + testTrace + "-" + testSpan, "00-" + testTrace + "-" + testSpan + "-1",
		"ff-" + testTrace + "-" + testSpan + "-01",
		"00-" + testTrace + "-" + testSpan + "-01-more",
		"00-" + testTrace + "-" + testSpan + "-01 ",
		"cc-" + testTrace + "-" + testSpan + "-01more",
		"00-00000000000000000000000000000000-" + testSpan + "-01",
		"00-" + testTrace + "-0000000000000000-01",
		"00-0AF7651916CD43DD8448EB211C80319C-" + testSpan + "-01",
		"00-" + testTrace + "-B7AD6B7169203331-01",
		"0X-" + testTrace + "-" + testSpan + "-01",
		"00-" + testTrace + "-" + testSpan + "-0X",
		"00_" + testTrace + "_" + testSpan + "_01",
		"00-" + testTrace[1:] + "g-" + testSpan + "-01",
	} {
		if c, ok := parseParent([]byte(in)); ok {
			t.Errorf("%q: %+v", in, c)
		}
	}
}

var parentForm = regexp.MustCompile(`^[0-9a-f]{2}-[0-9a-f]{32}-[0-9a-f]{16}-[0-9a-f]{2}(-.*)?$`)

// What is taken for a parent has its form, and comes out as it went in.
func FuzzParseParent(f *testing.F) {
	f.Add([]byte("00-" + testTrace + "-" + testSpan + "-01"))
	f.Add([]byte("cc-" + testTrace + "-" + testSpan + "-01-x"))
	f.Add([]byte("00-00000000000000000000000000000000-0000000000000000-00"))
	f.Fuzz(func(t *testing.T, in []byte) {
		c, ok := parseParent(in)
		if !ok {
			return
		}
		if !parentForm.Match(bytes.ReplaceAll(in, []byte("\n"), nil)) {
			t.Fatalf("%q was taken", in)
		}
		out := appendParent(nil, &asteri.Trace{TraceID: c.traceID, SpanID: c.spanID, Sampled: c.sampled})
		again, ok := parseParent(out)
		if !ok || again != c || !bytes.Equal(out[3:52], in[3:52]) {
			t.Fatalf("%q became %q", in, out)
		}
	})
}
