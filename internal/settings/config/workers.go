package config

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/asteri/asteri-loop/internal/system/cpus"
	"github.com/asteri/asteri-loop/internal/system/procstat"
	"github.com/asteri/asteri-loop/workers/python"
)

const (
	maxWorkers = 4096
	between    = ".."
)

// workersValue is a number of workers, auto, or two of these: LEAST..MOST.
type workersValue struct{ c *Config }

// isCount tells whether text is meant to be one, and no model.
func isCount(s string) bool {
	return s == auto || strings.Contains(s, between) || isNumber(strings.TrimPrefix(s, "-"))
}

func (v workersValue) Set(s string) error {
	first, second, two := strings.Cut(s, between)
	least, err := workerCount(first)
	if err != nil {
		return err
	}
	most := 0
	if two {
		if most, err = workerCount(second); err != nil {
			return err
		}
		if second == auto { // a small machine
			most = max(most, least)
		}
		if most < least {
			return fmt.Errorf("must be the fewer first: %d..%d", most, least)
		}
	}
	v.c.workers, v.c.Python.Workers, v.c.Python.MaxWorkers = s, least, most
	return nil
}

func workerCount(s string) (n int, err error) {
	if s == auto {
		return min(cpus.Count(), maxWorkers), nil
	}
	return n, number(&n, 1, maxWorkers).Set(s)
}

func (v workersValue) TOML() string {
	if isNumber(v.c.workers) {
		return v.c.workers
	}
	return strconv.Quote(v.c.workers)
}

// measured is a bound on what only some systems tell.
type measured struct {
	value
	at *int64
}

func (v measured) Set(s string) error {
	err := v.value.Set(s)
	if err == nil && *v.at > 0 && !procstat.Supported {
		return errors.New("this system does not tell how much memory a process has")
	}
	return err
}

// rlimits are the limits that workers can be given, where all systems have them.
var rlimits = []string{"AS", "CORE", "CPU", "DATA", "FSIZE", "MEMLOCK", "NOFILE", "NPROC", "RSS", "STACK"}

type rlimitsValue struct{ at *[]python.Rlimit }

const unlimited = "unlimited"

func (v rlimitsValue) Set(s string) error {
	name, limit, ok := strings.Cut(s, "=")
	name = strings.TrimPrefix(strings.ToUpper(name), "RLIMIT_")
	if !ok {
		return errors.New("must be NAME=LIMIT, such as NOFILE=4096")
	}
	if !slices.Contains(rlimits, name) {
		return fmt.Errorf("the name must be one of %s%s", strings.Join(rlimits, ", "), didYouMean(name, rlimits, ""))
	}
	soft, hard, two := strings.Cut(limit, ":")
	if !two {
		hard = soft
	}
	l := python.Rlimit{Name: name}
	for _, part := range []struct {
		at   *int64
		text string
	}{{&l.Soft, soft}, {&l.Hard, hard}} {
		var err error
		if *part.at, err = rlimit(part.text); err != nil {
			return err
		}
	}
	if l.Hard >= 0 && (l.Soft < 0 || l.Soft > l.Hard) {
		return errors.New("the soft limit must not be above the hard one: SOFT:HARD")
	}
	*v.at = append(*v.at, l)
	return nil
}

func rlimit(s string) (int64, error) {
	if s == unlimited {
		return -1, nil
	}
	n, err := parseSize(s)
	if err != nil {
		return 0, errors.New("a limit must be a number, a size such as 2GiB, or unlimited")
	}
	return n, nil
}

func (v rlimitsValue) TOML() string {
	spell := func(n int64) string {
		if n < 0 {
			return unlimited
		}
		return strconv.FormatInt(n, 10)
	}
	var all []string
	for _, l := range *v.at {
		text := l.Name + "=" + spell(l.Soft)
		if l.Hard != l.Soft {
			text += ":" + spell(l.Hard)
		}
		all = append(all, strconv.Quote(text))
	}
	return "[" + strings.Join(all, ", ") + "]"
}
