package config

import (
	"cmp"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/gunicorn"
	"github.com/asteri/asteri-loop/internal/settings/peers"
	"github.com/asteri/asteri-loop/internal/settings/suggest"
)

// hint says what to do in place of another server's option or setting of that name, or
// returns nothing.
func hint(name string) string {
	name = strings.ReplaceAll(name, "_", "-")
	if advice := cmp.Or(gunicorn.Advice(name), peers.Advice(name)); advice != "" {
		return "; " + advice
	}
	return ""
}

// didYouMean returns `; did you mean "x"?` for the candidate nearest to word,
// or nothing if none is near. prefix is put before the candidate.
func didYouMean(word string, candidates []string, prefix string) string {
	best := suggest.Nearest(word, candidates)
	if best == "" {
		return ""
	}
	return `; did you mean "` + prefix + best + `"?`
}
