package server

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/mount"
	"github.com/asteri/asteri-loop/status"
	"github.com/asteri/asteri-loop/workers/python"
)

// sites are the applications: one, or several at hosts and paths of their own.
type sites struct {
	asteri.Handler
	list []site
	// strict says that all of them have to start.
	strict bool
}

// site is an application and where it is: empty for what is at no mount.
type site struct {
	Application
	at string
}

// startSites starts all applications. If one cannot be started, none is.
func (s *Server) startSites() (_ *sites, err error) {
	all := new(sites)
	defer func() {
		if err != nil {
			all.kill()
		}
	}()
	var routes []mount.Route
	for i := range s.cfg.Mounts {
		m := &s.cfg.Mounts[i]
		app, err := s.startSite(m, m.At())
		if err != nil {
			return nil, named(m.At(), err)
		}
		all.list = append(all.list, site{app, m.At()})
		routes = append(routes, mount.Route{Host: strings.ToLower(m.Host), Prefix: m.prefix(), Handler: marked(front(app), m.At())})
	}
	var rest asteri.Handler
	if !s.cfg.App.isEmpty() {
		app, err := s.startSite(&Mount{App: s.cfg.App, WholePath: true}, "")
		if err != nil {
			return nil, err
		}
		all.list = slices.Insert(all.list, 0, site{app, ""})
		rest = front(app)
	}
	if all.Handler = rest; rest == nil || len(routes) > 0 {
		all.Handler = mount.Handler(routes, rest)
	}
	all.strict = s.cfg.StrictStart || len(all.list) == 1
	return all, nil
}

func (s *Server) startSite(m *Mount, at string) (Application, error) {
	switch {
	case m.Python != nil:
		return s.startPython(m, at)
	case m.Upstream != nil:
		return s.newUpstream(m)
	}
	return newNative(m.Handler), nil
}

// front is the handler of an application, with what stands in front of it alone.
func front(app Application) asteri.Handler {
	if p, ok := app.(*pythonApp); ok {
		return p.handler()
	}
	return app
}

// marked tells observers which application has a request.
func marked(next asteri.Handler, app string) asteri.Handler {
	return asteri.HandlerFunc(func(x asteri.Exchange) {
		x.Request().Handling.App = app
		next.ServeExchange(x)
	})
}

// named says in an error which application it is about.
func named(at string, err error) error {
	if err == nil || at == "" {
		return err
	}
	return fmt.Errorf("%s: %w", at, err)
}

// each calls do for all applications at once, and joins their errors.
func (s *sites) each(do func(a *site) error) error {
	failed := make([]error, len(s.list))
	var all sync.WaitGroup
	for i := range s.list {
		all.Go(func() { failed[i] = named(s.list[i].at, do(&s.list[i])) })
	}
	all.Wait()
	return errors.Join(failed...)
}

// siteOutcome is how the start of one has ended.
type siteOutcome struct {
	*site
	err error
}

// Ready waits for all applications, or for the first that fails for good. One that cannot
// be started beside others that serve answers 503, and is tried again until retries is done.
func (s *sites) Ready(ctx, retries context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	outcomes := make(chan siteOutcome, len(s.list))
	for i := range s.list {
		a := &s.list[i]
		go func() { outcomes <- siteOutcome{a, a.Ready(ctx)} }()
	}
	var serves bool
	var first error
	var failed []*pythonApp
	for range s.list {
		o := <-outcomes
		app, ours := o.Application.(*pythonApp)
		switch {
		case o.err == nil:
			serves = true
		case s.strict || !ours || !errors.As(o.err, new(*python.BootError)):
			return named(o.at, o.err)
		default:
			first = cmp.Or(first, named(o.at, o.err))
			if app.fail(o.err) { // at once: its requests would wait for the others
				failed = append(failed, app)
			}
		}
	}
	if !serves {
		return first
	}
	for _, app := range failed {
		go app.retry(retries)
	}
	return nil
}

// Close ends all at once.
func (s *sites) Close(ctx context.Context) {
	_ = s.each(func(a *site) error { a.Application.Close(ctx); return nil })
}

// kill ends all without waiting for what runs.
func (s *sites) kill() {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	s.Close(ctx)
}

// ask calls do for each application that is a T: itself, or the handler in it.
func ask[T any](s *sites, do func(a *site, as T)) {
	for i := range s.list {
		a := &s.list[i]
		inner := any(a.Application)
		if n, ok := inner.(*native); ok {
			inner = n.inner()
		}
		if as, ok := inner.(T); ok {
			do(a, as)
		}
	}
}

// health returns the reason of the first that cannot answer. One that could not be started
// is not among them: the others are to get traffic.
func (s *sites) health() (err error) {
	ask(s, func(a *site, as Staff) {
		app, ours := a.Application.(*pythonApp)
		if err == nil && (!ours || app.isDown() == nil) {
			err = named(a.at, as.Health())
		}
	})
	return err
}

// describe describes all, and nothing if there is none.
func (s *sites) describe() []Description {
	var all []Description
	for i := range s.list {
		d := s.list[i].Application.(Describer).Describe() // ours all are
		d.At = s.list[i].at
		all = append(all, d)
	}
	if len(all) == 0 {
		return []Description{{}}
	}
	return all
}

// report lists the workers of all, and adds up their queues.
func (s *sites) report(r *status.Report) {
	total := status.Queue{}
	ask(s, func(a *site, as Reporter) {
		own := status.Report{WebSockets: r.WebSockets} // to be added to
		as.Report(&own)
		r.WebSockets = own.WebSockets
		for i := range own.Workers {
			own.Workers[i].At = a.at
		}
		for i := range own.Memory {
			own.Memory[i].At = a.at
		}
		for i := range own.Scaling {
			own.Scaling[i].At = a.at
		}
		r.Scaling = append(r.Scaling, own.Scaling...)
		r.Workers, r.Memory = append(r.Workers, own.Workers...), append(r.Memory, own.Memory...)
		if own.Queue != nil {
			total.Waiting += own.Queue.Waiting
			total.Capacity += own.Queue.Capacity
			r.Queue = &total
		}
	})
}

// pools tells about all pools.
func (s *sites) pools() (all []status.PoolMeasures) {
	ask(s, func(a *site, as Reporter) {
		for _, p := range as.Pools() {
			p.App = a.at
			all = append(all, p)
		}
	})
	return all
}

// Gather joins the metrics of all applications. Those at a mount are told apart by it.
func (s *sites) Gather() ([]*dto.MetricFamily, error) {
	var all prometheus.Gatherers
	ask(s, func(a *site, as prometheus.Gatherer) {
		all = append(all, prometheus.GathererFunc(func() ([]*dto.MetricFamily, error) { return labelled(as, &a.at) }))
	})
	if len(all) == 1 {
		return all[0].Gather()
	}
	return all.Gather()
}

// labelled gathers metrics with a label for where their application is.
func labelled(from prometheus.Gatherer, at *string) ([]*dto.MetricFamily, error) {
	families, err := from.Gather()
	if *at == "" {
		return families, err
	}
	name := "app"
	for _, f := range families {
		for _, m := range f.Metric {
			i, _ := slices.BinarySearchFunc(m.Label, name, func(l *dto.LabelPair, name string) int { return strings.Compare(l.GetName(), name) })
			m.Label = slices.Insert(m.Label, i, &dto.LabelPair{Name: &name, Value: at})
		}
	}
	return families, err
}

// Reload reloads some, each with its settings in next. Which there are stays.
func (s *sites) Reload(ctx context.Context, next *Config, which []site) error {
	mounts := make(map[string]*Mount, len(next.Mounts)+1)
	for i := range next.Mounts {
		mounts[next.Mounts[i].At()] = &next.Mounts[i]
	}
	if !next.App.isEmpty() {
		mounts[""] = &Mount{App: next.App, WholePath: true}
	}
	if len(mounts) != len(s.list) || slices.ContainsFunc(s.list, func(a site) bool { return !fits(a.Application, mounts[a.at]) }) {
		return errors.New("mounts that come, go or change between applications and servers need a restart")
	}
	return (&sites{list: which}).each(func(a *site) error { return a.Application.(reloader).Reload(ctx, mounts[a.at]) }) // ours all can
}

// fits tells whether an application can take over the settings of next.
func fits(a Application, next *Mount) bool {
	if next == nil {
		return false
	}
	switch a.(type) {
	case *pythonApp:
		return next.Python != nil
	case *upstream:
		return next.Upstream != nil
	}
	return next.Handler != nil
}

// name is how an operator calls an application.
func (a *site) name() string { return cmp.Or(a.at, "/") }

// called returns those that an operator means: the one that is there or, if there is one
// only, that is called so; all without a name.
func (s *sites) called(app string) ([]site, error) {
	if app == "" {
		return s.list, nil
	}
	var served []site
	unknown := &status.AppError{Name: app}
	for _, a := range s.list {
		if a.name() == app {
			return []site{a}, nil
		}
		if a.Application.(Describer).Describe().Name == app {
			served = append(served, a)
		}
		unknown.Known = append(unknown.Known, a.name())
	}
	if len(served) == 1 {
		return served, nil
	}
	return nil, unknown
}

// errNoStaff is the answer where none of those that are meant has worker processes.
var errNoStaff = errors.New("there are no worker processes to scale")

// scale changes how many workers an application has, or each of them: the settings'
// number is that of each, too.
func (s *sites) scale(app string, to func(as Staff) int) (now []status.Staffing, err error) {
	which, err := s.called(app)
	if err != nil {
		return nil, err
	}
	ask(&sites{list: which}, func(a *site, as Staff) {
		if n := to(as); n > 0 { // else its pool has stopped
			now = append(now, status.Staffing{App: a.name(), Workers: n})
		}
	})
	if len(now) == 0 {
		return nil, errNoStaff
	}
	return now, nil
}

// of has whichever application has a worker do something about it.
func (s *sites) of(do func(as Staff) error) error {
	err := python.ErrNoWorker
	ask(s, func(_ *site, as Staff) {
		if errors.Is(err, python.ErrNoWorker) {
			err = do(as)
		}
	})
	return err
}
