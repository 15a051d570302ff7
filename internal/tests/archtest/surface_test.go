package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"
)

// An embedder cannot name a type of internal/. An alias gives it a public name; what has
// none is in no exported declaration.
func TestNothingExportedMentionsAnInternalType(t *testing.T) {
	m := load(t)
	for _, f := range m.files {
		if f.test || !public(f.dir) {
			continue
		}
		hidden := m.internalImports(f)
		for _, decl := range f.syntax.Decls {
			for _, shown := range surface(decl) {
				ast.Inspect(shown, func(n ast.Node) bool {
					if sel, ok := n.(*ast.SelectorExpr); ok {
						if x, ok := sel.X.(*ast.Ident); ok && hidden[x.Name] {
							t.Errorf("%s: %s.%s is in an exported declaration", f.position(sel), x.Name, sel.Sel.Name)
						}
					}
					return true
				})
			}
		}
	}
}

// public tells whether embedders may import a package.
func public(dir string) bool {
	top, _, _ := strings.Cut(dir, "/")
	return !internal(dir) && top != "cmd" && top != "bench" && top != "examples"
}

// internal tells whether a package is hidden from other modules, wherever it lies.
func internal(dir string) bool { return slices.Contains(strings.Split(dir, "/"), "internal") }

// internalImports are the names of hidden packages in a file.
func (m *module) internalImports(f *file) map[string]bool {
	names := make(map[string]bool)
	for i, path := range f.imports {
		dir, ours := m.dirOf(path)
		if !ours || !internal(dir) {
			continue
		}
		name := path[strings.LastIndexByte(path, '/')+1:]
		if as := f.syntax.Imports[i].Name; as != nil {
			name = as.Name
		}
		names[name] = true
	}
	return names
}

// surface returns the parts of a declaration that importers see.
func surface(decl ast.Decl) (shown []ast.Node) {
	switch d := decl.(type) {
	case *ast.FuncDecl:
		if d.Name.IsExported() && (d.Recv == nil || ast.IsExported(receiver(d))) {
			shown = append(shown, d.Type)
		}
	case *ast.GenDecl:
		for _, spec := range d.Specs {
			switch s := spec.(type) {
			case *ast.TypeSpec:
				if s.Name.IsExported() && !s.Assign.IsValid() { // an alias is a name
					shown = append(shown, exportedFields(s.Type)...)
				}
			case *ast.ValueSpec:
				if s.Type != nil && ast.IsExported(s.Names[0].Name) {
					shown = append(shown, s.Type)
				}
			}
		}
	}
	return shown
}

// receiver returns the name of a method's type.
func receiver(d *ast.FuncDecl) (name string) {
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok && name == "" {
			name = id.Name
		}
		return name == ""
	})
	return name
}

// exportedFields returns a type, or of a struct what is exported in it.
func exportedFields(of ast.Expr) (shown []ast.Node) {
	s, ok := of.(*ast.StructType)
	if !ok {
		return []ast.Node{of}
	}
	for _, field := range s.Fields.List {
		embedded := len(field.Names) == 0
		if embedded || ast.IsExported(field.Names[0].Name) {
			shown = append(shown, field.Type)
		}
	}
	return shown
}
