package archtest

import (
	"go/ast"
	"slices"
	"strings"
	"testing"

	"github.com/asteri/asteri-loop/internal/settings/config"
	"github.com/asteri/asteri-loop/workers/python"
)

// CONTRIBUTING.md says how little it takes to add something. That each setting has an
// effect without more than its row is a test of cmd/asteri-loop.

// A protocol is one folder, and one line of Config.protocols, or of Proxies.gateways for one
// that proxies speak. What else of the server names the packages of protocols has their
// settings and what was opened, but makes none.
func TestAProtocolIsMadeInOnePlace(t *testing.T) {
	for _, f := range load(t).files {
		if f.test || f.path == "server/listen.go" || f.path == "server/proxies.go" || !within(f.dir, "server") && !within(f.dir, "cmd") {
			continue
		}
		if n := makesProtocol(f); n != nil {
			t.Errorf("%s: protocols are made in server/listen.go", f.position(n))
		}
	}
	for _, path := range []string{"server/listen.go", "server/proxies.go"} {
		if i := slices.IndexFunc(load(t).files, func(f *file) bool { return f.path == path }); i < 0 || makesProtocol(load(t).files[i]) == nil {
			t.Errorf("%s makes no protocol", path)
		}
	}
}

// makesProtocol returns a call of what makes protocols: Protocol of a package or a Config,
// or http3.Listen, whose protocol has sockets of its own.
func makesProtocol(f *file) (found ast.Node) {
	ast.Inspect(f.syntax, func(n ast.Node) bool {
		if call, ok := n.(*ast.CallExpr); ok {
			fn, ok := call.Fun.(*ast.SelectorExpr)
			if ok && (fn.Sel.Name == "Protocol" || fn.Sel.Name == "Listen" && nameIn(fn.X) == "http3") {
				found = call
			}
		}
		return found == nil
	})
	return found
}

func nameIn(x ast.Expr) string {
	if id, ok := x.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

// A model is a Go file for Go handlers and a Python file for applications, of its name.
// The settings know it by the latter; their text names it, and so does the worker.
func TestAModelIsTwoFiles(t *testing.T) {
	models := python.Models()
	if !slices.Equal(models, config.Models) || len(models) == 0 {
		t.Errorf("models are %v, and in settings %v", models, config.Models)
	}
	settings := readFileOf(t, "docs/settings.md")
	_, row, _ := strings.Cut(settings, "\n### worker_class\n")
	row, _, _ = strings.Cut(row, "\n### ")
	names := readFileOf(t, "workers/python/shim/asteri_worker/models/__init__.py")
	_, names, _ = strings.Cut(names, "\nNAMES = ")
	for _, model := range models {
		if !strings.Contains(names, `"`+model+`"`) {
			t.Errorf("NAMES of models/__init__.py has no %s", model)
		}
		if !constructs(t, "workers", model) {
			t.Errorf("workers/%s.go has no function that makes the model", model)
		}
		if !strings.Contains(row, model) {
			t.Errorf("docs/settings.md does not name %s", model)
		}
	}
}

// constructs tells whether a file has the exported function that is named by its model.
func constructs(t *testing.T, dir, model string) bool {
	for _, f := range load(t).files {
		if f.path != dir+"/"+model+".go" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if ok && fn.Recv == nil && fn.Name.IsExported() && strings.EqualFold(fn.Name.Name, model) {
				return true
			}
		}
	}
	return false
}
