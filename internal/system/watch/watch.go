// Package watch tells which files have changed: files that are named one by one, and those in
// folders whose names fit patterns.
//
// It is folders that are watched, not files: editors put a new file in the place of the old
// one. What they and others do within a moment is one change.
package watch

import (
	"context"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/fsnotify/fsnotify"

	"github.com/asteri/asteri-loop/internal/system/awake"
)

// Options say what is watched from the beginning.
type Options struct {
	// Dirs are watched with all that is below them, for files that fit Include and not
	// Exclude: see Patterns.
	Dirs             []string
	Include, Exclude []string
	// Files count whatever the patterns say. Their folders must exist.
	Files []string
	// Folders are watched for what Also says.
	Folders []string
	// Also tells whether another file in a folder that is watched counts. It is called
	// on a goroutine of the Watcher.
	Also func(path string) bool
	// Logger is told what cannot be watched.
	Logger *slog.Logger
}

// Bounds of one Watcher.
const (
	maxFolders = 8192
	maxFiles   = 100_000 // that are followed
)

// Watcher watches. Its methods may be called from any goroutine.
type Watcher struct {
	opts   Options
	roots  []string // Dirs, without symbolic links
	filter filter
	system *fsnotify.Watcher
	add    func(dir string) error // system.Add
	signal chan struct{}          // capacity 1: there is a change
	ended  sync.WaitGroup

	mu      sync.Mutex
	folders map[string]bool   // those that are to be watched, and whether they are
	watched int               // how many are
	extra   map[string]bool   // Options.Files
	files   map[string]string // those that are followed, by their own names and without symbolic links
	full    bool              // there are no more watches
	changes changes
}

// New begins to watch. Its error is the system's, that it has no means left, or a
// *fs.PathError for what is not there.
func New(o Options) (*Watcher, error) {
	system, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, explain(err)
	}
	w := &Watcher{
		opts: o, filter: newFilter(o.Include, o.Exclude), system: system, add: system.Add, signal: make(chan struct{}, 1),
		folders: make(map[string]bool), extra: make(map[string]bool), files: make(map[string]string),
	}
	w.ended.Go(w.run)
	if err := w.begin(); err != nil {
		w.Close()
		return nil, err
	}
	return w, nil
}

func (w *Watcher) begin() error {
	for _, dir := range w.opts.Dirs {
		root, err := resolve(dir)
		if err != nil {
			return err
		}
		w.roots = append(w.roots, root)
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, root := range w.roots {
		w.addTree(root, nil)
	}
	for _, dir := range w.opts.Folders {
		folder, err := resolve(dir)
		if err != nil {
			return err
		}
		w.addFolder(folder)
	}
	for _, file := range w.opts.Files {
		folder, err := resolve(filepath.Dir(file))
		if err != nil {
			return err
		}
		file = filepath.Join(folder, filepath.Base(file))
		w.extra[file] = true
		w.follow(file)
	}
	return nil
}

// Close ends it.
func (w *Watcher) Close() {
	_ = w.system.Close() // which ends run
	w.ended.Wait()
}

// Follow has files count, beside those that are followed already. One that was written after
// since has changed: nobody has looked before.
func (w *Watcher) Follow(files []string, since time.Time) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, file := range files {
		if w.files[file] != "" || len(w.files) >= maxFiles {
			continue
		}
		w.follow(file)
		if info, err := os.Stat(file); err == nil && info.ModTime().After(since) {
			w.note(file)
		}
	}
}

// follow has a file count under the names by which events may call it.
func (w *Watcher) follow(file string) {
	w.files[file] = file
	names := []string{file}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		names = append(names, target)
	}
	for _, name := range names {
		folder, err := filepath.EvalSymlinks(filepath.Dir(name))
		if err != nil {
			continue // it is not there any more
		}
		w.files[filepath.Join(folder, filepath.Base(name))] = file
		w.addFolder(folder)
	}
}

// Wait returns what has changed once it has settled. What changes later is for the next call.
func (w *Watcher) Wait(ctx context.Context) (Change, error) {
	for {
		change, left, some := w.settled()
		if some && left <= 0 {
			return change, nil
		}
		var due <-chan time.Time
		if some {
			due = time.After(left)
		}
		select {
		case <-w.signal:
		case <-due:
		case <-ctx.Done():
			return Change{}, ctx.Err()
		}
	}
}

// settled takes the change that has settled, or says in how long there will be one, if there
// will.
func (w *Watcher) settled() (change Change, left time.Duration, some bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	left, some = w.changes.due(awake.Now())
	if some && left <= 0 {
		change = w.changes.take()
	}
	return change, left, some
}

// run takes the system's events until the end.
func (w *Watcher) run() {
	failures := w.system.Errors
	for {
		select {
		case e, ok := <-w.system.Events:
			if !ok {
				return
			}
			w.event(e)
		case err, ok := <-failures:
			if !ok {
				failures = nil
				continue
			}
			w.failed(err)
		}
	}
}

// failed takes an error of the system for a change, since events may be lost.
func (w *Watcher) failed(err error) {
	w.opts.Logger.Debug("Files are watched, with an error", "error", err)
	w.mu.Lock()
	defer w.mu.Unlock()
	w.changes.all(awake.Now())
	w.wake()
}

func (w *Watcher) event(e fsnotify.Event) {
	if e.Op == fsnotify.Chmod && !isTouched(e.Name) {
		return
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	if e.Has(fsnotify.Remove) || e.Has(fsnotify.Rename) {
		w.lost(e.Name)
	}
	if e.Has(fsnotify.Create) {
		w.created(e.Name)
	}
	w.changed(e.Name)
}

// isTouched tells whether a file was given the present as its time, as touch does, and not
// only other permissions.
func isTouched(name string) bool {
	info, err := os.Stat(name)
	return err == nil && time.Since(info.ModTime()).Abs() < 2*time.Second
}

// changed notes a file that counts.
func (w *Watcher) changed(name string) {
	switch file := w.files[name]; {
	case file != "":
		if !w.filter.refuses(w.relative(name)) || w.extra[file] {
			w.note(file)
		}
	case w.fits(name), w.opts.Also != nil && w.opts.Also(name) && !w.filter.refuses(w.relative(name)):
		w.note(name)
	}
}

// fits tells whether a file is below one of Dirs, and fits the patterns.
func (w *Watcher) fits(name string) bool {
	for _, root := range w.roots {
		if below, ok := strings.CutPrefix(name, root+string(filepath.Separator)); ok {
			return w.filter.takes(below)
		}
	}
	return false
}

// relative is the part of a name that patterns are about.
func (w *Watcher) relative(name string) string {
	for _, root := range w.roots {
		if below, ok := strings.CutPrefix(name, root+string(filepath.Separator)); ok {
			return below
		}
	}
	return filepath.Base(name)
}

func (w *Watcher) note(name string) {
	w.changes.add(name, awake.Now())
	w.wake()
}

func (w *Watcher) wake() {
	select {
	case w.signal <- struct{}{}:
	default:
	}
}

// lost notes that a folder which was watched has gone.
func (w *Watcher) lost(name string) {
	if w.folders[name] {
		w.folders[name] = false
		w.watched--
		_ = w.system.Remove(name) // of one that was renamed; another has gone by itself
	}
}

// created watches a folder that has come, or come again. What is in it has changed.
func (w *Watcher) created(name string) {
	if info, err := os.Lstat(name); err != nil || !info.IsDir() {
		return
	}
	for _, root := range w.roots {
		if below, ok := strings.CutPrefix(name, root+string(filepath.Separator)); ok && !w.filter.excludes(below) {
			w.addTree(name, w.changed)
		}
	}
	inside := name + string(filepath.Separator)
	for folder, is := range w.folders {
		if !is && (folder == name || strings.HasPrefix(folder, inside)) {
			w.addFolder(folder)
		}
	}
	for file := range w.files {
		if strings.HasPrefix(file, inside) {
			if _, err := os.Stat(file); err == nil {
				w.changed(file)
			}
		}
	}
}

// addTree watches a folder and those below it, and calls each with every file.
func (w *Watcher) addTree(top string, each func(file string)) {
	_ = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error { // fails for what has gone, which is not watched
		switch {
		case err != nil:
			return nil //nolint:nilerr // it has gone, or is not ours to read
		case !d.IsDir():
			if each != nil {
				each(name)
			}
			return nil
		case name != top && (w.filter.excludes(w.relative(name)) || isEnvironment(name)):
			return fs.SkipDir
		}
		w.addFolder(name)
		return nil
	})
}

// isEnvironment tells whether a folder is a virtual environment of Python's.
func isEnvironment(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "pyvenv.cfg"))
	return err == nil
}

// addFolder watches one folder, whose name has no symbolic links.
func (w *Watcher) addFolder(dir string) {
	if w.folders[dir] || w.full {
		return
	}
	w.folders[dir] = false
	if w.watched >= maxFolders {
		w.full = true
		w.opts.Logger.Warn("There are more folders than are watched; changes in the others are not seen", "watched", w.watched)
		return
	}
	switch err := w.add(dir); {
	case err == nil:
		w.folders[dir] = true
		w.watched++
	case errors.Is(err, fs.ErrNotExist), errors.Is(err, syscall.ENOTDIR): // it has gone
	case exhausted(err):
		w.full = true
		w.opts.Logger.Warn("The system has no more watches for files; changes in this folder and in later ones are not seen. "+advice, "folder", dir, "watched", w.watched)
	default:
		w.opts.Logger.Warn("A folder cannot be watched", "folder", dir, "error", err)
	}
}

// advice says what to do about a system without means.
const advice = "On Linux raise fs.inotify.max_user_watches and max_user_instances, elsewhere the limit of open files"

func exhausted(err error) bool {
	for _, e := range []error{syscall.ENOSPC, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// noMeans is an error of a system that has none left.
type noMeans struct{ error }

func (e noMeans) Error() string { return "files cannot be watched: " + e.error.Error() + ". " + advice }
func (e noMeans) Unwrap() error { return e.error }

func explain(err error) error {
	if exhausted(err) {
		return noMeans{err}
	}
	return err
}

// resolve returns the name of a folder without symbolic links.
func resolve(dir string) (string, error) {
	abs, err := filepath.Abs(dir)
	if err == nil {
		abs, err = filepath.EvalSymlinks(abs)
	}
	if err != nil {
		return "", err
	}
	info, err := os.Stat(abs)
	if err == nil && !info.IsDir() {
		err = &fs.PathError{Op: "watch", Path: dir, Err: syscall.ENOTDIR}
	}
	return abs, err
}
