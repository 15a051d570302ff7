package logobject

import (
	"bytes"
	"encoding/json"
	"log/slog"
	"testing"
	"time"
)

// merged is a record of a line, with attributes of the server's, as JSON.
func merged(t *testing.T, line string, attrs ...any) string {
	t.Helper()
	o := Parse(line)
	if o == nil {
		t.Fatalf("%s is no object", line)
	}
	r := slog.NewRecord(time.Time{}, slog.LevelInfo, line, 0)
	r.Add(slog.Any(Key, o))
	r.Add(attrs...)
	if Of(r) != o {
		t.Error("the record's object is not found")
	}
	var b bytes.Buffer
	if err := slog.NewJSONHandler(&b, nil).Handle(t.Context(), o.Record(r)); err != nil {
		t.Fatal(err)
	}
	return string(bytes.TrimSpace(b.Bytes()))
}

func TestMembers(t *testing.T) {
	for line, want := range map[string]string{
		`{}`:                                `{"level":"INFO","msg":"","source":"stdout"}`,
		"\t" + `{"a": 1.50, "b": {"c":[]}}`: `{"level":"INFO","msg":"","source":"stdout","a":1.50,"b":{"c":[]}}`,
		`{"message":"x","level":"error","time":7}`:               `{"level":"INFO","msg":"x","source":"stdout","application.time":7}`,
		`{"message":7,"level":"loud"}`:                           `{"level":"INFO","msg":"","source":"stdout","application.message":7,"application.level":"loud"}`,
		`{"event":"x","source":"mine","n":12345678901234567890}`: `{"level":"INFO","msg":"x","event":"x","source":"mine","n":12345678901234567890}`,
		`{"a":1,"a":2}`: `{"level":"INFO","msg":"","source":"stdout","a":2}`,
	} {
		if got := merged(t, line, "source", "stdout"); got != want {
			t.Errorf("%s:\n%s, want\n%s", line, got, want)
		}
	}
}

func TestWhatIsNoObject(t *testing.T) {
	for _, line := range []string{"", "{", "[1]", "{a}", `{"a":1} ` + "x", `{"a":1}{"b":2}`, `"{}"`} {
		if Parse(line) != nil {
			t.Errorf("%q is one", line)
		}
	}
}

func TestLevel(t *testing.T) {
	for line, want := range map[string]slog.Level{
		`{"level":"warn"}`: slog.LevelWarn, `{"levelname":"CRITICAL"}`: slog.LevelError + 4, `{"severity":"Debug"}`: slog.LevelDebug,
	} {
		if got, ok := Parse(line).Level(); !ok || got != want {
			t.Errorf("%s: %v, %v", line, got, ok)
		}
	}
	if _, ok := Parse(`{"level":30}`).Level(); ok {
		t.Error("a number is a level")
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{"message":"x","level":"error","a":{"b":[1,2]}}`)
	f.Fuzz(func(t *testing.T, line string) {
		o := Parse(line)
		if o == nil {
			return
		}
		r := slog.NewRecord(time.Time{}, slog.LevelInfo, line, 0)
		var b bytes.Buffer
		if err := slog.NewJSONHandler(&b, nil).Handle(t.Context(), o.Record(r)); err != nil || !json.Valid(b.Bytes()) {
			t.Fatalf("%q became %q, %v", line, b.Bytes(), err)
		}
	})
}
