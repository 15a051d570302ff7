package output

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// records is a log handler that keeps messages, and the values of their attributes. A
// traceback, which is one of them, is put back where it was cut out.
type records struct {
	mu  sync.Mutex
	got []string
}

func (r *records) all() []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return slices.Clone(r.got)
}

func (r *records) Enabled(context.Context, slog.Level) bool { return true }
func (r *records) WithAttrs([]slog.Attr) slog.Handler       { return r }
func (r *records) WithGroup(string) slog.Handler            { return r }
func (r *records) Handle(_ context.Context, one slog.Record) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	var about []string
	message, raised := one.Message, ""
	one.Attrs(func(a slog.Attr) bool {
		switch a.Key {
		case "error":
			raised = a.Value.String()
		case "traceback":
			if message == raised {
				message = a.Value.String()
			} else {
				message += "\n" + a.Value.String()
			}
		default:
			about = append(about, a.Value.String())
		}
		return true
	})
	r.got = append(r.got, strings.Join(about, " ")+": "+message)
	return nil
}

// testPipes is an output with the worker's ends of both of its pipes. It is used
// in a bubble of synctest only.
type testPipes struct {
	Pipes
	records        records
	stdout, stderr *io.PipeWriter
}

func newTestPipes() *testPipes {
	o := new(testPipes)
	o.log = slog.New(&o.records)
	outReader, outWriter := io.Pipe()
	errReader, errWriter := io.Pipe()
	o.stdout, o.stderr = outWriter, errWriter
	o.read(outReader, "stdout", slog.LevelInfo)
	o.read(errReader, "stderr", slog.LevelWarn)
	return o
}

func (o *testPipes) end() []string {
	o.stdout.Close()
	o.stderr.Close()
	o.readers.Wait()
	return o.records.all()
}

const plainTraceback = `Traceback (most recent call last):
  File "/srv/app.py", line 3, in view
    return 1 / zero
           ~~^~~~~~
ZeroDivisionError: division by zero`

const chainedTraceback = plainTraceback + `

During handling of the above exception, another exception occurred:

` + plainTraceback + `

The above exception was the direct cause of the following exception:

` + plainTraceback

const groupTraceback = `  + Exception Group Traceback (most recent call last):
  |   File "<stdin>", line 1, in <module>
  | ExceptionGroup: two (2 sub-exceptions)
  +-+---------------- 1 ----------------
    | ValueError: one
    +---------------- 2 ----------------
    | ValueError: two
    +------------------------------------`

func TestOutputRecords(t *testing.T) {
	for name, test := range map[string]struct {
		in   string
		want []string
	}{
		"lines":              {"one\ntwo\r\n\n\nthree", []string{"one", "two", "three"}},
		"a traceback":        {plainTraceback + "\n", []string{plainTraceback}},
		"announced":          {"Exception in thread Thread-1 (run):\n" + plainTraceback + "\n", []string{"Exception in thread Thread-1 (run):\n" + plainTraceback}},
		"chained":            {chainedTraceback + "\n", []string{chainedTraceback}},
		"a group":            {groupTraceback + "\n", []string{groupTraceback}},
		"between lines":      {"one\n" + plainTraceback + "\ntwo\n", []string{"one\n" + plainTraceback, "two"}},
		"two tracebacks":     {plainTraceback + "\n" + plainTraceback + "\n", []string{plainTraceback, plainTraceback}},
		"chain without more": {plainTraceback + "\n\nlater\n", []string{plainTraceback, "later"}},
		"indented":           {"settings:\n  a: 1\n\n\tb: 2\nend\n", []string{"settings:\n  a: 1\n\n\tb: 2", "end"}},
		"not text":           {"a\xffb\n", []string{"a\uFFFDb"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o := newTestPipes()
				_, _ = io.WriteString(o.stderr, test.in)
				got := o.end()
				for i := range test.want {
					test.want[i] = "stderr: " + test.want[i]
				}
				if !slices.Equal(got, test.want) {
					t.Errorf("records are %q", got)
				}
			})
		})
	}
}

// However the bytes come, as long as they do so without a pause.
func TestOutputInPieces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestPipes()
		for _, c := range []byte(chainedTraceback + "\nlast\n") {
			time.Sleep(time.Millisecond / 10)
			_, _ = o.stderr.Write([]byte{c})
		}
		if got := o.end(); !slices.Equal(got, []string{"stderr: " + chainedTraceback, "stderr: last"}) {
			t.Errorf("records are %q", got)
		}
	})
}

func TestOutputRecordEndsByPause(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestPipes()
		_, _ = io.WriteString(o.stderr, "one\n")
		synctest.Wait()
		if got := o.records.all(); len(got) != 0 {
			t.Errorf("%q is logged while more may come", got)
		}
		time.Sleep(joinPause + time.Millisecond)
		synctest.Wait()
		if got := o.records.all(); !slices.Equal(got, []string{"stderr: one"}) {
			t.Errorf("after the pause: %q", got)
		}
		_, _ = io.WriteString(o.stderr, "  two\n")
		if got := o.end(); !slices.Equal(got, []string{"stderr: one", "stderr:   two"}) {
			t.Errorf("records are %q", got)
		}
	})
}

func TestOutputKeepsItsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestPipes()
		for _, line := range []struct {
			to   *io.PipeWriter
			text string
		}{
			{o.stderr, tracebackHead + "\n  File\n"},
			{o.stdout, "hello\n  world\n"},
			{o.stderr, "ValueError\n"},
		} {
			_, _ = io.WriteString(line.to, line.text)
			synctest.Wait()
		}
		want := []string{"stderr: " + tracebackHead + "\n  File", "stdout: hello\n  world", "stderr: ValueError"}
		if got := o.end(); !slices.Equal(got, want) {
			t.Errorf("records are %q", got)
		}
		if got := o.LastLines(time.Second); got != tracebackHead+"\n  File\nValueError" {
			t.Errorf("the last lines are %q", got)
		}
	})
}

// Nothing is lost of what is longer than a record, or than a line.
func TestOutputIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := newTestPipes()
		frames := strings.Repeat("  File \"/srv/app.py\", line 3, in view\n", 3*maxRecord/40)
		in := tracebackHead + "\n" + frames + "RecursionError: " + strings.Repeat("x", 2*maxLine) + "\n"
		_, _ = io.WriteString(o.stderr, in)
		got := o.end()
		var all strings.Builder
		for i, record := range got {
			text := strings.TrimPrefix(record, "stderr: ")
			if len(text) > maxRecord {
				t.Errorf("a record of %d bytes", len(text))
			}
			if all.WriteString(text); i != len(got)-1 {
				all.WriteByte('\n')
			}
		}
		if len(got) > 8 {
			t.Errorf("%d records", len(got))
		}
		// Where a line was cut there is a line's end more.
		if flat := strings.ReplaceAll(all.String(), "\n", ""); flat != strings.ReplaceAll(in, "\n", "") {
			t.Errorf("%d of %d bytes", len(flat), len(in))
		}
	})
}

// A child of a worker that has ended is read for a while only.
func TestOutputOfOrphans(t *testing.T) {
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	o := &Pipes{log: slog.New(slog.DiscardHandler), pipes: []*os.File{r}}
	o.read(r, "stdout", slog.LevelInfo)
	o.EndAfter(time.Millisecond)
	o.readers.Wait()
	if _, err := r.Stat(); !errors.Is(err, os.ErrClosed) {
		t.Errorf("the pipe is open: %v", err)
	}
}
