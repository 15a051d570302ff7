package archtest

import (
	"bytes"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// module is the source of the whole module. It is read from the files, not asked
// of the build system, so that the files of every system and build tag count.
type module struct {
	path  string
	files []*file
}

type file struct {
	path, dir string // relative to the module's root, with slashes
	test      bool
	lines     int
	imports   []string
	syntax    *ast.File
	set       *token.FileSet
}

var read = sync.OnceValues(readModule)

func load(t *testing.T) *module {
	t.Helper()
	m, err := read()
	if err != nil {
		t.Fatal(err)
	}
	if len(m.files) == 0 {
		t.Fatal("the module has no files")
	}
	return m
}

func readModule() (*module, error) {
	top, err := moduleRoot()
	if err != nil {
		return nil, err
	}
	m := &module{path: path.Dir(path.Dir(path.Dir(reflect.TypeFor[module]().PkgPath())))}
	set := token.NewFileSet()
	err = filepath.WalkDir(top, func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() {
			if name != top && foreign(name) {
				return filepath.SkipDir
			}
			return nil
		}
		if !strings.HasSuffix(name, ".go") {
			return nil
		}
		rel, err := filepath.Rel(top, name)
		if err != nil {
			return err
		}
		f, err := readFile(set, name, filepath.ToSlash(rel))
		if err != nil {
			return err
		}
		m.files = append(m.files, f)
		return nil
	})
	return m, err
}

// foreign tells whether the go command, too, passes a folder by.
func foreign(dir string) bool {
	base := filepath.Base(dir)
	if base == "testdata" || base == "vendor" || base[0] == '.' || base[0] == '_' {
		return true
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}

func readFile(set *token.FileSet, name, rel string) (*file, error) {
	src, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	syntax, err := parser.ParseFile(set, rel, src, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	f := &file{
		path: rel, dir: path.Dir(rel),
		test:   strings.HasSuffix(rel, "_test.go"),
		lines:  bytes.Count(src, []byte{'\n'}),
		syntax: syntax, set: set,
	}
	for _, spec := range syntax.Imports {
		p, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return nil, err
		}
		f.imports = append(f.imports, p)
	}
	return f, nil
}

func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		up := filepath.Dir(dir)
		if up == dir {
			return "", fs.ErrNotExist
		}
		dir = up
	}
}

// dirOf returns the folder of an import path of this module.
func (m *module) dirOf(importPath string) (dir string, ok bool) {
	if importPath == m.path {
		return root, true
	}
	return strings.CutPrefix(importPath, m.path+"/")
}

func (f *file) position(n ast.Node) token.Position { return f.set.Position(n.Pos()) }

// isStd tells standard library paths: only theirs have no dot in the first part.
func isStd(importPath string) bool {
	first, _, _ := strings.Cut(importPath, "/")
	return !strings.Contains(first, ".")
}

// within tells whether dir is top or below it.
func within(dir, top string) bool {
	return dir == top || strings.HasPrefix(dir, top+"/")
}
