package archtest

import (
	"go/ast"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// The page leads newcomers through the code along two requests. Whoever moves a function
// of theirs moves it on the page, too, and the way does not become longer than it may be.
func TestWalks(t *testing.T) {
	for heading, most := range map[string]struct{ goFiles, pyFiles int }{
		"A GET over HTTP/1.1 to a Go handler":     {21, 0},
		"A GET over HTTP/2 to a WSGI application": {34, 5},
	} {
		w := readWalk(t, heading)
		goFiles, pyFiles := 0, 0
		for _, f := range w.files() {
			if strings.HasSuffix(f, ".go") {
				goFiles++
			} else {
				pyFiles++
			}
		}
		if goFiles == 0 || goFiles > most.goFiles || pyFiles > most.pyFiles {
			t.Errorf("%s: %d Go files and %d of Python", heading, goFiles, pyFiles)
		}
		for i := range w {
			w.check(t, i)
		}
	}
}

// walk is a numbered list of the page.
type walk []station

// station is a line of it: what is named there is in its files, or in those of a station
// that it refers to.
type station struct {
	files []string
	names []string
	at    []int // for each of names, the station whose files it is in
}

var (
	codeSpan = regexp.MustCompile("`([^`]+)`(?:[^`.;,:]* of (\\d+))?")
	isFile   = regexp.MustCompile(`^[a-z0-9_/]+\.(go|py)$`)
)

func readWalk(t *testing.T, heading string) (w walk) {
	t.Helper()
	_, text, found := strings.Cut(readPage(t), "\n### "+heading+"\n")
	if !found {
		t.Fatalf("docs/architecture.md has no %q", heading)
	}
	text, _, _ = strings.Cut(text, "\n#")
	for line := range strings.Lines(text) {
		number, rest, found := strings.Cut(line, ". ")
		if !found || number != strconv.Itoa(len(w)+1) {
			continue
		}
		var s station
		for _, m := range codeSpan.FindAllStringSubmatch(rest, -1) {
			if isFile.MatchString(m[1]) {
				s.files = append(s.files, m[1])
				continue
			}
			at := len(w)
			if m[2] != "" {
				n, _ := strconv.Atoi(m[2]) // digits
				at = n - 1
			}
			s.names, s.at = append(s.names, m[1]), append(s.at, at)
		}
		w = append(w, s)
	}
	return w
}

func (w walk) files() (all []string) {
	for _, s := range w {
		all = append(all, s.files...)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

func (w walk) check(t *testing.T, i int) {
	s := &w[i]
	if len(s.files) == 0 || len(s.names) == 0 {
		t.Errorf("%d names %v in %v", i+1, s.names, s.files)
	}
	for n, name := range s.names {
		if at := s.at[n]; at >= len(w) || !slices.ContainsFunc(w[at].files, func(f string) bool { return declares(t, f, name) }) {
			t.Errorf("%d: there is no %s in %v", i+1, name, w[min(at, len(w)-1)].files)
		}
	}
}

// declares tells whether a file has a function, Func, or a method, Type.method.
func declares(t *testing.T, path, name string) bool {
	t.Helper()
	if strings.HasSuffix(path, ".py") {
		return declaresPython(t, path, name)
	}
	for _, f := range load(t).files {
		if f.path != path {
			continue
		}
		for _, decl := range f.syntax.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && nameOf(fn) == name {
				return true
			}
		}
	}
	return false
}

func nameOf(fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return fn.Name.Name
	}
	return receiver(fn) + "." + fn.Name.Name
}

// declaresPython finds a method by its class, whose body is what is indented behind it.
func declaresPython(t *testing.T, path, name string) bool {
	t.Helper()
	class, method, _ := strings.Cut(name, ".")
	body := regexp.MustCompile(`(?m)^class ` + class + `\b.*\n(?:(?:[ \t].*)?\n)*`).FindString(readFileOf(t, path))
	return strings.Contains(body, "\n    def "+method+"(")
}

func readPage(t *testing.T) string { return readFileOf(t, "docs/architecture.md") }

func readFileOf(t *testing.T, path string) string {
	t.Helper()
	top, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(top, filepath.FromSlash(path)))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
