package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/asteri/asteri-loop/internal/tests/logtest"
)

// bench is a folder that is watched.
type bench struct {
	t   *testing.T
	dir string
	w   *Watcher
}

func newBench(t *testing.T, o func(dir string) Options) *bench {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	b := &bench{t: t, dir: dir}
	for _, name := range []string{"app.py", "old.py", "shop/views.py", "shop/deep/models.py"} {
		b.write(name, "1")
	}
	opts := o(dir)
	opts.Logger = slog.New(slog.DiscardHandler)
	if b.w, err = New(opts); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(b.w.Close)
	return b
}

func (b *bench) path(name string) string { return filepath.Join(b.dir, name) }

func (b *bench) write(name, content string) {
	b.t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(b.path(name)), 0o755), os.WriteFile(b.path(name), []byte(content), 0o600)); err != nil {
		b.t.Fatal(err)
	}
}

func (b *bench) do(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// expect waits until all of names were told; others may be told before.
func (b *bench) expect(what string, names ...string) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for len(names) > 0 {
		change, err := b.w.Wait(ctx)
		if err != nil {
			b.t.Fatalf("%s: %v was not told", what, names)
		}
		names = slices.DeleteFunc(names, func(n string) bool { return slices.Contains(change.Paths, b.path(n)) })
	}
}

// nothing expects that none of names is told before the change of a file that counts.
func (b *bench) nothing(what string, names ...string) {
	b.t.Helper()
	b.write("app.py", what)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for {
		change, err := b.w.Wait(ctx)
		if err != nil {
			b.t.Fatalf("%s: %v", what, err)
		}
		for _, name := range names {
			if slices.Contains(change.Paths, b.path(name)) {
				b.t.Errorf("%s: told of %s", what, name)
			}
		}
		if slices.Contains(change.Paths, b.path("app.py")) {
			return
		}
	}
}

func following(b *bench, names ...string) {
	for _, name := range names {
		b.w.Follow([]string{b.path(name)}, time.Now().Add(time.Hour))
	}
}

func TestEditors(t *testing.T) {
	b := newBench(t, func(string) Options { return Options{} })
	following(b, "app.py", "shop/views.py")
	b.write("app.py", "2")
	b.expect("in place, as VS Code", "app.py")
	b.write("shop/.views.py.tmp", "2")
	b.do(os.Rename(b.path("shop/.views.py.tmp"), b.path("shop/views.py")))
	b.expect("renamed over it, as PyCharm", "shop/views.py")
	b.do(os.Rename(b.path("app.py"), b.path("app.py~")))
	b.write("app.py", "3")
	b.do(os.Remove(b.path("app.py~")))
	b.expect("the old one renamed, as vim", "app.py")
	b.do(os.Chtimes(b.path("app.py"), time.Now(), time.Now()))
	b.expect("touched", "app.py")

	b.write("notes.txt", "x")
	b.write("shop/unheard.py", "x")
	b.write("shop/deep/models.py", "x")
	b.do(os.Chtimes(b.path("old.py"), time.Now(), time.Now().Add(-time.Hour)))
	following(b, "old.py")
	b.do(os.Chmod(b.path("old.py"), 0o640))
	b.nothing("what nobody has imported, and other permissions", "notes.txt", "shop/unheard.py", "shop/deep/models.py", "old.py")
}

// git checkout takes folders away and brings them back.
func TestFoldersThatComeBack(t *testing.T) {
	b := newBench(t, func(dir string) Options { return Options{Folders: []string{dir}} })
	following(b, "app.py", "shop/views.py", "shop/deep/models.py")
	b.do(os.RemoveAll(b.path("shop")))
	b.expect("taken away", "shop/views.py", "shop/deep/models.py")
	b.write("shop/deep/models.py", "2")
	b.write("shop/views.py", "2")
	b.expect("come back", "shop/views.py", "shop/deep/models.py")
	b.write("shop/deep/models.py", "3")
	b.expect("changed again", "shop/deep/models.py")
	b.do(os.Rename(b.path("shop"), b.path("away")))
	b.do(os.Rename(b.path("away"), b.path("shop")))
	b.expect("renamed", "shop/views.py")
	b.write("shop/views.py", "4")
	b.expect("changed after that", "shop/views.py")
}

func TestDirs(t *testing.T) {
	b := newBench(t, func(dir string) Options {
		for _, name := range []string{"venv/pyvenv.cfg", "venv/lib/x.py", ".git/x.py"} {
			file := filepath.Join(dir, name)
			if err := errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, nil, 0o600)); err != nil {
				t.Fatal(err)
			}
		}
		return Options{Dirs: []string{dir}, Include: []string{"*.html"}, Exclude: []string{"deep"}, Files: []string{filepath.Join(dir, ".env")}}
	})
	b.write("shop/views.py", "2")
	b.expect("a file of a kind that always counts", "shop/views.py")
	b.write("new/folder/page.html", "1")
	b.expect("a file in a folder that has come", "new/folder/page.html")
	b.write("new/folder/page.html", "2")
	b.expect("the same again", "new/folder/page.html")
	b.write(".env", "A=1")
	b.expect("a file that was named", ".env")
	excluded := []string{"venv/lib/x.py", ".git/x.py", "shop/deep/models.py", "a.txt", "node_modules/x/a.py"}
	for _, name := range excluded {
		b.write(name, "2")
	}
	following(b, "shop/deep/models.py")
	b.write("shop/deep/models.py", "3")
	b.nothing("what is excluded", excluded...)
}

// An application that runs under another name of its folder is known by that name.
func TestSymbolicLinks(t *testing.T) {
	b := newBench(t, func(string) Options { return Options{} })
	b.do(os.Symlink(b.path("shop"), b.path("link")))
	b.do(os.Symlink(b.path("shop/deep/models.py"), b.path("linked.py")))
	following(b, "link/views.py", "linked.py")
	b.write("shop/views.py", "2")
	b.expect("a folder", "link/views.py")
	b.write("shop/deep/models.py", "2")
	b.expect("a file", "linked.py")
}

// Between the import of a file and the word of it there is a while in which it may change.
func TestChangedBeforeItIsFollowed(t *testing.T) {
	b := newBench(t, func(string) Options { return Options{} })
	b.w.Follow([]string{b.path("app.py")}, time.Now().Add(-time.Hour))
	b.expect("written after the start", "app.py")
	b.w.Follow([]string{b.path("app.py")}, time.Now().Add(-time.Hour))
	b.w.Follow([]string{b.path("shop/views.py")}, time.Now().Add(time.Hour))
	b.nothing("not written since", "shop/views.py")
}

func TestAlso(t *testing.T) {
	b := newBench(t, func(dir string) Options {
		return Options{Folders: []string{dir}, Also: func(path string) bool { return filepath.Base(path) == "missing.py" }}
	})
	following(b, "app.py")
	b.write("missing.py", "1")
	b.expect("what is missed", "missing.py")
	b.write("other.py", "1")
	b.nothing("another", "other.py")
}

func TestNotThere(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, o := range map[string]Options{
		"no folder":      {Dirs: []string{filepath.Join(dir, "none")}},
		"a file":         {Dirs: []string{file}},
		"no file's home": {Files: []string{filepath.Join(dir, "none", "x")}},
	} {
		w, err := New(o)
		if path := (*fs.PathError)(nil); !errors.As(err, &path) {
			t.Errorf("%s: %v", name, err)
		}
		if err == nil {
			w.Close()
		}
	}
}

func TestWaitEnds(t *testing.T) {
	b := newBench(t, func(string) Options { return Options{} })
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := b.w.Wait(ctx); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}

// A system without means, or too many folders, is said once, and what is watched is.
func TestNoMoreWatches(t *testing.T) {
	for name, limit := range map[string]func(w *Watcher){
		"The system has no more watches": func(w *Watcher) { w.add = func(string) error { return syscall.ENOSPC } },
		"more folders than are watched":  func(w *Watcher) { w.watched = maxFolders },
	} {
		b := newBench(t, func(string) Options { return Options{} })
		var log logtest.Text
		following(b, "app.py")
		b.w.mu.Lock()
		b.w.opts.Logger = log.Logger()
		limit(b.w)
		b.w.mu.Unlock()
		following(b, "shop/views.py", "shop/deep/models.py")
		if text := log.String(); strings.Count(text, name) != 1 || strings.Count(text, "\n") > 1 {
			t.Errorf("%s: %q", name, text)
		}
		b.nothing("what is watched")
	}
	if err := explain(syscall.EMFILE); !errors.Is(err, syscall.EMFILE) || !strings.Contains(err.Error(), "max_user_instances") {
		t.Error(err)
	}
}
