package report

import (
	"cmp"
	"slices"
	"sync"

	"github.com/asteri/asteri-loop/workers/python/internal/wire"
)

// Route is by how much requests of one route have made workers grow.
type Route struct {
	// Method and Route name it: the pattern of the framework, or the path without what
	// tells one thing from another. Both are empty for what no request can be blamed
	// for, and Route is "other" for routes beyond a bound.
	Method, Route string
	// Requests were measured.
	Requests uint64
	// Grown is the sum in bytes, with an estimate of what was not measured; what a route
	// gives back is taken off. Most is the most by one measured request.
	Grown, Most int64
}

// maxRoutes bounds the routes that are told apart.
const maxRoutes = 200

// Routes sums up what workers measure, since the last reload.
type Routes struct {
	mu         sync.Mutex
	generation int
	all        map[[2]string]*Route
}

// Merge takes a MEMORY frame of a worker.
func (r *Routes) Merge(w *Worker, frame any) error {
	rows, ok := frame.([]any)
	if !ok {
		return wire.Violation("MEMORY of the wrong shape")
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	switch {
	case w.Generation < r.generation:
		return nil // code that is not served any more
	case w.Generation > r.generation || r.all == nil:
		r.generation, r.all = w.Generation, make(map[[2]string]*Route)
	}
	for _, one := range rows {
		row, _ := one.([]any)
		if len(row) != 5 {
			return wire.Violation("MEMORY of the wrong shape")
		}
		method, _ := row[0].(string)
		route, _ := row[1].(string)
		var n [3]int64
		for i, v := range row[2:] {
			if n[i], ok = v.(int64); !ok || n[i] < -maxGrowth || n[i] > maxGrowth {
				return wire.Violation("MEMORY of the wrong shape")
			}
		}
		r.add(wire.Cut(method, maxMetricName), wire.Cut(route, maxMetricValue), n)
	}
	return nil
}

// maxGrowth is more than any process has, and so little that sums do not overflow.
const maxGrowth = 1 << 48

func (r *Routes) add(method, route string, n [3]int64) {
	key := [2]string{method, route}
	one := r.all[key]
	if one == nil {
		if n[1] == 0 {
			return // most routes, most of the time
		}
		if len(r.all) >= maxRoutes {
			key = [2]string{"", "other"}
		}
		if one = r.all[key]; one == nil {
			one = &Route{Method: key[0], Route: key[1]}
			r.all[key] = one
		}
	}
	one.Requests += uint64(max(n[0], 0))
	one.Grown += n[1]
	one.Most = max(one.Most, n[2])
}

// List returns the routes, those first that cost most.
func (r *Routes) List() []Route {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := make([]Route, 0, len(r.all))
	for _, one := range r.all {
		all = append(all, *one)
	}
	slices.SortFunc(all, func(a, b Route) int {
		return cmp.Or(-cmp.Compare(a.Grown, b.Grown), cmp.Compare(a.Route, b.Route), cmp.Compare(a.Method, b.Method))
	})
	return all
}
