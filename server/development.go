package server

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/asteri/asteri-loop/internal/edge/refresh"
	"github.com/asteri/asteri-loop/internal/system/watch"
	"github.com/asteri/asteri-loop/status"
)

// Development is for who writes the applications. What it shows of them, it shows to clients
// on this machine alone.
type Development struct {
	// Reload has Python applications reloaded when a file that they have imported changes,
	// or one that is named below. Those whose code does not import do not keep the server
	// from starting: clients on this machine see why, and others what ran before.
	Reload bool
	// Dirs are folders in which other files count too, with what is below them: those that
	// fit Include and not Exclude. A pattern is one of path.Match, for the last elements of
	// a name; *.py is always one of Include, and what is hidden, node_modules and virtual
	// environments do not count. Default, if there is an Include: the present folder.
	Dirs, Include, Exclude []string
	// Files are further files that count.
	Files []string
	// NoRefresh leaves HTML pages as they are. Otherwise browsers load them again after a
	// reload.
	NoRefresh bool
	// Tracebacks answers a request at which a Python application has failed with what went
	// wrong.
	Tracebacks bool
}

// dirs are those that are watched for patterns.
func (d *Development) dirs() []string {
	if len(d.Dirs) == 0 && len(d.Include) > 0 {
		return []string{"."}
	}
	return d.Dirs
}

// check finds patterns that are none, and folders that are not there.
func (d *Development) check() error {
	for _, list := range []struct {
		field    string
		patterns []string
	}{{"Development.Include", d.Include}, {"Development.Exclude", d.Exclude}} {
		for _, p := range list.patterns {
			if err := watch.CheckPattern(p); err != nil {
				return wrong(list.field, "%q: must be a pattern such as *.html or templates/*", p)
			}
		}
	}
	for _, dir := range d.Dirs {
		if info, err := os.Stat(dir); err != nil {
			return wrong("Development.Dirs", "%q cannot be watched: %w", dir, cause(err))
		} else if !info.IsDir() {
			return wrong("Development.Dirs", "%q cannot be watched: it is not a directory", dir)
		}
	}
	for _, file := range d.Files {
		if _, err := os.Stat(filepath.Dir(file)); err != nil {
			return wrong("Development.Files", "%q cannot be watched: its directory: %w", file, cause(err))
		}
	}
	return nil
}

// cause is the system's word without the path, which is known.
func cause(err error) error {
	if number := syscall.Errno(0); errors.As(err, &number) {
		return number
	}
	return err
}

// developer reloads applications when their files change.
type developer struct {
	server    *Server
	watcher   *watch.Watcher
	refresher *refresh.Refresher // nil if pages stay as they are
	ended     sync.WaitGroup

	mu   sync.Mutex
	apps []*pythonApp
}

// openDevelopment begins to watch, if that is wanted and there is something to watch.
func (s *Server) openDevelopment() error {
	d := &s.cfg.Development
	switch {
	case !d.Reload:
		return nil
	case !s.cfg.servesPython():
		s.log.Warn("No files are watched: there is no Python application to reload")
		return nil
	}
	dev := &developer{server: s}
	watcher, err := watch.New(watch.Options{
		Dirs: d.dirs(), Include: d.Include, Exclude: d.Exclude, Files: absolute(d.Files), Folders: s.cfg.appFolders(),
		Also: dev.mayRepair, Logger: s.log,
	})
	if err != nil {
		return blame("Development", err)
	}
	dev.watcher = watcher
	if !d.NoRefresh {
		dev.refresher = refresh.New(refresh.Options{Path: s.cfg.Status.path(), App: status.OwnApp, Hosts: s.cfg.Status.Hosts, Logger: s.log})
	}
	s.development = dev
	return nil
}

// begin has the developer act, once there are applications.
func (d *developer) begin() {
	if d != nil {
		d.ended.Go(func() { d.run(d.server.ctx) })
	}
}

// appFolders are where the applications are: what is missing there may come.
func (c *Config) appFolders() (dirs []string) {
	all := []App{c.App}
	for i := range c.Mounts {
		all = append(all, c.Mounts[i].App)
	}
	for _, a := range all {
		if a.Python == nil {
			continue
		}
		dirs = append(dirs, filepath.Join(".", a.Python.Chdir))
		if file, _, _ := strings.Cut(a.Python.App, ":"); strings.HasSuffix(file, ".py") {
			if !filepath.IsAbs(file) {
				file = filepath.Join(a.Python.Chdir, file)
			}
			dirs = append(dirs, filepath.Dir(file))
		}
	}
	return slices.DeleteFunc(dirs, func(dir string) bool {
		info, err := os.Stat(dir)
		return err != nil || !info.IsDir() // the worker says that better
	})
}

func absolute(files []string) []string {
	all := make([]string, len(files))
	for i, file := range files {
		var err error
		if all[i], err = filepath.Abs(file); err != nil {
			all[i] = file // nobody knows where we are
		}
	}
	return all
}

// join has the developer look after an application.
func (d *developer) join(a *pythonApp) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.apps = append(d.apps, a)
}

// all are the applications.
func (d *developer) all() []*pythonApp {
	d.mu.Lock()
	defer d.mu.Unlock()
	return slices.Clone(d.apps)
}

// mayRepair tells whether a file that nobody has imported may be what an application lacks.
func (d *developer) mayRepair(path string) bool {
	return strings.HasSuffix(path, ".py") && slices.ContainsFunc(d.all(), func(a *pythonApp) bool { return a.development.standing.Load() != nil })
}

// run reloads after each change. What changes meanwhile makes one more reload.
func (d *developer) run(ctx context.Context) {
	for {
		change, err := d.watcher.Wait(ctx)
		if err != nil {
			return
		}
		d.reload(ctx, change)
	}
}

// reload reloads those whose files have changed; all of them for a file that is nobody's own.
func (d *developer) reload(ctx context.Context, change watch.Change) {
	s := d.server
	s.reloading.Lock()
	defer s.reloading.Unlock()
	concerned := d.concerned(change)
	s.log.Info("Reloading: " + changed(change))
	began := time.Now()
	which := slices.DeleteFunc(slices.Clone(s.apps.list), func(a site) bool {
		app, ok := a.Application.(*pythonApp)
		return !ok || !slices.Contains(concerned, app)
	})
	err := s.apps.Reload(ctx, s.live.Load(), which)
	switch {
	case ctx.Err() != nil: // the server stops
	case err != nil:
		s.log.Error("Not reloaded: " + err.Error())
	default:
		s.log.Info("Reloaded in " + time.Since(began).Round(time.Millisecond).String())
	}
}

func (d *developer) concerned(change watch.Change) (concerned []*pythonApp) {
	all := d.all()
	if change.All {
		return all
	}
	for _, path := range change.Paths {
		owners := slices.DeleteFunc(slices.Clone(all), func(a *pythonApp) bool { return !a.development.owns(path) })
		if len(owners) == 0 {
			return all
		}
		concerned = append(concerned, owners...)
	}
	return concerned
}

// changed says what has changed, in a line.
func changed(change watch.Change) string {
	const most = 3
	var names []string
	here, err := os.Getwd()
	for _, path := range change.Paths[:min(len(change.Paths), most)] {
		if below, relErr := filepath.Rel(here, path); err == nil && relErr == nil && filepath.IsLocal(below) {
			path = below
		}
		names = append(names, path)
	}
	switch {
	case change.All:
		names = append(names, "and perhaps others")
	case len(change.Paths) > most:
		names = append(names, "and others")
	}
	if len(names) == 1 {
		return names[0] + " has changed"
	}
	return strings.Join(names, ", ") + " have changed"
}

// refreshed has browsers load their pages again.
func (d *developer) refreshed() {
	if d.refresher != nil {
		d.refresher.Changed()
	}
}

// endStreams ends what would hold up a graceful stop.
func (d *developer) endStreams() {
	if d != nil && d.refresher != nil {
		d.refresher.End()
	}
}

// close ends it, once the server's context is done.
func (d *developer) close() {
	if d != nil {
		d.ended.Wait()
		d.watcher.Close()
	}
}

// layers are those of the chain, none unless there is a developer with pages to refresh: in
// front of the server's own paths, and behind whatever codes content.
func (d *developer) layers() (front, pages layer) {
	if d == nil || d.refresher == nil {
		return nil, nil
	}
	return plain(d.refresher.Front), plain(d.refresher.Pages)
}

// warnOfDevelopment says who could reach a server that is for a developer.
func (s *Server) warnOfDevelopment() {
	d := &s.cfg.Development
	if !d.Reload && !d.Tracebacks {
		return
	}
	for _, addr := range s.addrs.Clients {
		if tcp, ok := addr.(*net.TCPAddr); ok && !tcp.IP.IsLoopback() {
			s.log.Warn("Others can reach a server that is set for development (--reload, --tracebacks): it is not for production", "address", addr.String())
			return
		}
	}
	s.log.Info("Failures are shown to whoever asks from this machine, also through a proxy that does not say that it is one (X-Forwarded-For)")
}
