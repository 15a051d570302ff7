package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"
)

const compiler = "../../shim/compile.py"

func compile(ctx context.Context, t *testing.T, program string, env ...string) (made int, err error) {
	t.Helper()
	python, err := exec.LookPath("python3")
	if err != nil {
		t.Fatal(err)
	}
	code, err := Compile(ctx, python, append(os.Environ(), env...), []byte(program), map[string][]byte{"a.py": []byte("x = 1"), "b/c.py": nil})
	if err == nil && len(code.MadeBy) == 0 {
		t.Error("nobody has made it")
	}
	return len(code.Modules), err
}

// What is beside an application has no part in code that all workers run.
func TestNothingElseRunsWhileCodeIsMade(t *testing.T) {
	program, err := os.ReadFile(compiler)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	trace := filepath.Join(dir, "trace")
	t.Chdir(dir)
	for _, name := range []string{"sitecustomize", "usercustomize", "marshal", "importlib", "encodings", "startup"} {
		if err := os.WriteFile(filepath.Join(dir, name+".py"), []byte("open("+`"`+trace+`"`+", 'w')\n"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	n, err := compile(context.Background(), t, string(program), "PYTHONPATH="+dir, "PYTHONSTARTUP="+dir+"/startup.py", "PYTHONINSPECT=1", "PYTHONUNBUFFERED=1")
	if n != 2 || err != nil {
		t.Errorf("%d modules, %v", n, err)
	}
	if _, err := os.Stat(trace); err == nil {
		t.Error("a module of the application's folder was run")
	}
}

func TestCodeThatCannotBeMade(t *testing.T) {
	for name, program := range map[string]string{
		"failure":  "raise SystemExit(3)",
		"nothing":  "pass",
		"no code":  "import marshal, sys; sys.stdout.buffer.write(marshal.dumps((b'', {'a.py': 1})))",
		"no tuple": "import marshal, sys; sys.stdout.buffer.write(marshal.dumps({}))",
		"no dict":  "import marshal, sys; sys.stdout.buffer.write(marshal.dumps((b'', b'')))",
		"no end":   "import sys\nwhile True: sys.stdout.buffer.write(bytes(65536))",
	} {
		t.Run(name, func(t *testing.T) {
			if n, err := compile(context.Background(), t, program); err == nil {
				t.Errorf("%d modules", n)
			}
		})
	}
}

func TestStopWhileCodeIsMade(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	time.AfterFunc(50*time.Millisecond, cancel)
	if _, err := compile(ctx, t, "import time; time.sleep(3600)"); err == nil {
		t.Error("it was not ended")
	}
}
