package stats

import "github.com/asteri/asteri-loop"

// series are the counts of exchanges of one kind.
type series struct {
	in, out, sent uint64
	handled       *times // nil until a handler told of its work
	duration      histogram
}

// times are what handlers tell of their work.
type times struct{ queued, worked histogram }

func (s *series) times() *times {
	if s.handled == nil {
		s.handled = new(times)
	}
	return s.handled
}

// A kind of exchange is its protocol, the class of its status, and its method.
const (
	numProtos  = int(asteri.HTTP3) + 1
	numClasses = 6 // 0: no response
	numKinds   = numProtos * numClasses * numMethods
)

func indexOf(p asteri.Proto, status int, method string) int {
	proto, class := int(p), status/100
	if proto >= numProtos {
		proto = 0
	}
	if class < 0 || class >= numClasses {
		class = 0
	}
	return (proto*numClasses+class)*numMethods + methodIndex(method)
}

// kindOf undoes indexOf.
func kindOf(i int) (p asteri.Proto, class int, method string) {
	return asteri.Proto(i / numMethods / numClasses), i / numMethods % numClasses, methods[i%numMethods]
}

// methods are those that are counted apart.
var methods = [...]string{"other", "GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"}

const numMethods = len(methods)

func methodIndex(m string) int {
	switch m {
	case "GET":
		return 1
	case "HEAD":
		return 2
	case "POST":
		return 3
	case "PUT":
		return 4
	case "DELETE":
		return 5
	case "CONNECT":
		return 6
	case "OPTIONS":
		return 7
	case "TRACE":
		return 8
	case "PATCH":
		return 9
	}
	return 0
}

// app is an application under one model.
type app struct {
	name, model string
	kinds       [numKinds]*series
}

// get returns the series at index i.
func (a *app) get(i int) *series {
	if a.kinds[i] == nil {
		a.kinds[i] = new(series)
	}
	return a.kinds[i]
}

// maxApps bounds the applications that are counted apart. A configuration names
// them, so there are more only if a handler calls them by what clients send.
const maxApps = 256

// other is what all those beyond a bound are called.
const other = "other"

// app returns the counts of an application. The caller holds the lock.
func (s *shard) app(name, model string) *app {
	for _, a := range s.apps {
		if a.name == name && a.model == model {
			return a
		}
	}
	if len(s.apps) >= maxApps && (name != other || model != "") {
		return s.app(other, "")
	}
	a := &app{name: name, model: model}
	s.apps = append(s.apps, a)
	return a
}
