package archtest

import (
	"go/ast"
	"go/token"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// maxLines is how long a file may be before it has to be taken apart. Tests may
// be longer: a table is read row by row.
const maxLines = 450

func TestFilesAreShort(t *testing.T) {
	for _, f := range load(t).files {
		if !f.test && f.lines > maxLines {
			t.Errorf("%s has %d lines, more than %d", f.path, f.lines, maxLines)
		}
		if within(f.dir, "cmd") && strings.HasSuffix(f.path, "/main.go") && f.lines >= 60 {
			t.Errorf("%s has %d lines: wiring belongs in files with names", f.path, f.lines)
		}
	}
}

// What is linked in must be said by a line of code that can be read, not by the
// side effect of an import.
func TestNoInitFunctions(t *testing.T) {
	for _, f := range load(t).files {
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.Name == "init" {
				t.Errorf("%s: func init", f.position(fn))
			}
		}
	}
}

// A number of nanoseconds since 1970 has lost what makes a difference of times hold when
// the time of day is set. Deadlines are by internal/system/awake; these are none.
func TestDeadlinesAreNotOfTheTimeOfDay(t *testing.T) {
	allowed := []string{
		"internal/observe/trace/message.go",            // what spans say
		"internal/edge/static/file.go",                 // an entity tag
		"status/flights.go",                            // which request is meant
		"internal/tests/suite/", "examples/", "bench/", // not the server
	}
	for _, f := range load(t).files {
		if f.test || slices.ContainsFunc(allowed, func(p string) bool { return strings.HasPrefix(f.path, p) }) {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && s.Sel.Name == "UnixNano" {
				t.Errorf("%s: UnixNano", f.position(n))
			}
			return true
		})
	}
}

func TestRaceDetectorIsNeverSwitchedOff(t *testing.T) {
	for _, f := range load(t).files {
		for _, group := range f.syntax.Comments {
			for _, c := range group.List {
				if strings.HasPrefix(c.Text, "//go:norace") {
					t.Errorf("%s: %s", f.position(c), c.Text)
				}
			}
		}
	}
}

// A fuzz target that recovers passes when the code under test panics.
func TestFuzzTargetsDoNotRecover(t *testing.T) {
	for _, f := range load(t).files {
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok || !f.test || !strings.HasPrefix(fn.Name.Name, "Fuzz") {
				continue
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if name, ok := call.Fun.(*ast.Ident); ok && name.Name == "recover" {
						t.Errorf("%s: %s recovers", f.position(call), fn.Name.Name)
					}
				}
				return true
			})
		}
	}
}

// What a record says beside its message is a member of a JSON object, by whose name
// machines ask: a word, or several with _ between them.
func TestKeysOfTheLogAreWords(t *testing.T) {
	word := regexp.MustCompile(`^([a-z][a-z0-9_]*)?$`) // a group without a name is its members
	attributes := []string{"Any", "Bool", "Duration", "Float64", "Group", "Int", "Int64", "String", "Time", "Uint64"}
	first := map[string]int{"Debug": 1, "Info": 1, "Warn": 1, "Error": 1, "With": 0}
	for _, f := range load(t).files {
		if f.test || strings.HasPrefix(f.path, "bench/") || strings.HasPrefix(f.path, "internal/tests/suite/") {
			continue
		}
		ast.Inspect(f.syntax, func(n ast.Node) bool {
			call, ok := n.(*ast.CallExpr)
			if !ok {
				return true
			}
			method, ok := call.Fun.(*ast.SelectorExpr)
			if !ok {
				return true
			}
			of, _ := method.X.(*ast.Ident) // nil for what is no name
			from, logs := first[method.Sel.Name]
			if !logs || of != nil && of.Name == "http" {
				from = len(call.Args)
			}
			if of != nil && of.Name == "slog" && slices.Contains(attributes, method.Sel.Name) {
				from = 0
			}
			for i := from; i < len(call.Args); i += 2 {
				if _, attr := call.Args[i].(*ast.CallExpr); attr { // takes one place
					i--
					continue
				}
				key, ok := call.Args[i].(*ast.BasicLit)
				if ok && key.Kind == token.STRING && !word.MatchString(strings.Trim(key.Value, "\"`")) {
					t.Errorf("%s: key %s", f.position(key), key.Value)
				}
			}
			return true
		})
	}
}
