package server

import (
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/traceback"
	"github.com/asteri/asteri-loop/workers/python"
)

// appDevelopment is what is known of a Python application for who writes it.
type appDevelopment struct {
	developer  *developer // nil if its files are not watched
	tracebacks bool
	hosts      []string
	standing   atomic.Pointer[traceback.Page] // stands for the application while its code does not import
	served     atomic.Bool                    // some code of it has been imported

	mu    sync.Mutex
	files map[string]bool // that it has imported, since the start
	told  time.Time       // when the latest start began whose end is known
}

// maxOwn bounds the files of an application.
const maxOwn = 50_000

func (a *appDevelopment) wanted() bool { return a.developer != nil || a.tracebacks }

// complete has workers tell what is to be known.
func (a *appDevelopment) complete(c *python.Config) {
	if a.wanted() {
		c.Sources = a.follow
	}
	c.AwaitReload = c.AwaitReload || a.developer != nil
}

// follow is told what the application has imported.
func (a *appDevelopment) follow(files []string, started time.Time) {
	a.mu.Lock()
	if a.files == nil {
		a.files = make(map[string]bool)
	}
	for _, file := range files {
		if len(a.files) < maxOwn {
			a.files[file] = true
		}
	}
	a.mu.Unlock()
	if a.developer != nil {
		a.developer.watcher.Follow(files, started)
	}
}

// owns tells whether the application has imported a file.
func (a *appDevelopment) owns(file string) bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.files[file]
}

// started notes how a start of new workers has ended that began then, and returns whether that
// is to be lived with: the developer is told in another way.
func (a *appDevelopment) started(app string, err error, began time.Time) (lived bool) {
	boot := (*python.BootError)(nil)
	a.mu.Lock()
	late := began.Before(a.told)
	if !late {
		a.told = began
	}
	a.mu.Unlock()
	switch {
	case err == nil:
		a.served.Store(true)
		if late {
			return true // what a newer start has shown stands
		}
		a.standing.Store(nil)
	case a.developer == nil || !errors.As(err, &boot):
		return false
	case late:
		return true
	default:
		a.follow(boot.Sources, began)
		a.standing.Store(traceback.New(traceback.Failure{
			What: app + " cannot be started", Message: boot.Message, Traceback: boot.Traceback, Hint: boot.Hint, Own: a.owns,
		}))
	}
	return true
}

// handler shows failures in front of an application, if that is wanted.
func (a *pythonApp) handler() asteri.Handler {
	d := &a.development
	if !d.wanted() {
		return a
	}
	o := traceback.Options{Hosts: d.hosts, Standing: d.standing.Load, Serving: d.served.Load}
	if d.tracebacks {
		o.Of = func(cause error) (traceback.Failure, bool) {
			failed := (*python.CallError)(nil)
			if !errors.As(cause, &failed) {
				return traceback.Failure{}, false
			}
			return traceback.Failure{
				What: a.cfg.App + " has failed at this request", Message: failed.Message, Traceback: failed.Traceback, Own: d.owns,
			}, true
		}
	}
	return traceback.Handler(a, o)
}
