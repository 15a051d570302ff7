package status

import (
	"fmt"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	dto "github.com/prometheus/client_model/go"
)

// ownPrefix begins names that no application may have: there will be more of them.
const ownPrefix = "asteri_"

// further gathers the metrics of applications, without those that have a name of the
// server's.
type further struct {
	of       prometheus.Gatherer
	log      func(message string, args ...any)
	reserved map[string]string // names, and what the server's metric says of itself

	mu   sync.Mutex
	said map[string]bool // to the log
}

// maxSaid bounds what the log is told of.
const maxSaid = 100

// newFurther is for what o has, beside families of others' names.
func newFurther(o *Options, others []*dto.MetricFamily) *further {
	f := &further{
		of:  prometheus.Gatherers{o.Metrics}, // which checks it
		log: o.Logger.Warn, reserved: make(map[string]string), said: make(map[string]bool),
	}
	for _, family := range others {
		f.reserve(family.GetName(), family.GetHelp())
	}
	for _, m := range table {
		f.reserve(m.Name, m.Help)
	}
	return f
}

// reserve keeps a name, and those of the series that it has if it is a histogram.
func (f *further) reserve(name, help string) {
	for _, suffix := range []string{"", "_bucket", "_sum", "_count"} {
		f.reserved[name+suffix] = help
	}
}

// Gather implements prometheus.Gatherer.
func (f *further) Gather() ([]*dto.MetricFamily, error) {
	all, err := f.of.Gather()
	if err != nil {
		f.say("Metrics of applications are not all shown", "error", err.Error())
	}
	shown := all[:0]
	for _, family := range all {
		name := family.GetName()
		if help, taken := f.reserved[name]; taken || strings.HasPrefix(name, ownPrefix) {
			if family.GetHelp() != help { // else it is the very same: a registry has the collectors that we have
				f.say("A metric of an application is not shown, since its name is the server's", "metric", name)
			}
			continue
		}
		shown = append(shown, family)
	}
	return shown, nil
}

// say logs something once.
func (f *further) say(message string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if key := fmt.Sprint(args...); !f.said[key] && len(f.said) < maxSaid {
		f.said[key] = true
		f.log(message, args...)
	}
}
