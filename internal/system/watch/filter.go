package watch

import (
	"path"
	"path/filepath"
	"slices"
	"strings"
)

// Files that count in a folder, and what is passed by there, unless Options say otherwise.
var (
	included = []string{"*.py"}
	excluded = []string{".*", "*~", "*.py[cod]", "__pycache__", "node_modules"}
)

// filter tells files apart by their names below a folder that is watched.
//
// A pattern is one of path.Match. It is held against the last element of a name, or against
// as many of the last ones as it has itself. What excludes a folder excludes all below it.
type filter struct{ include, exclude, given []string }

// newFilter adds patterns to the usual ones. A usual one that is given as the other kind is
// not usual any more.
func newFilter(include, exclude []string) filter {
	without := func(usual, other []string) []string {
		return slices.DeleteFunc(slices.Clone(usual), func(p string) bool { return slices.Contains(other, p) })
	}
	return filter{
		include: append(without(included, exclude), include...),
		exclude: append(without(excluded, include), exclude...),
		given:   exclude,
	}
}

// CheckPattern returns path.ErrBadPattern for what is no pattern.
func CheckPattern(pattern string) error {
	_, err := path.Match(pattern, "")
	return err
}

// takes tells whether a file counts by its name below a folder.
func (f *filter) takes(name string) bool { return matches(f.include, name) && !f.excludes(name) }

// excludes tells whether a file, or a folder, is passed by.
func (f *filter) excludes(name string) bool { return matchesPart(f.exclude, name) }

// refuses tells whether the patterns that were given exclude a file.
func (f *filter) refuses(name string) bool { return matchesPart(f.given, name) }

// matchesPart tells whether a pattern fits a name, or that of a folder above it.
func matchesPart(patterns []string, name string) bool {
	for ; name != "." && name != string(filepath.Separator); name = filepath.Dir(name) {
		if matches(patterns, name) {
			return true
		}
	}
	return false
}

func matches(patterns []string, name string) bool {
	elements := strings.Split(filepath.ToSlash(name), "/")
	return slices.ContainsFunc(patterns, func(pattern string) bool {
		n := strings.Count(pattern, "/") + 1
		if n > len(elements) {
			return false
		}
		fits, _ := path.Match(pattern, strings.Join(elements[len(elements)-n:], "/")) // it was checked
		return fits
	})
}
