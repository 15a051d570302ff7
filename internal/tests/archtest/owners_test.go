package archtest

import (
	"go/ast"
	"slices"
	"testing"
)

// What the pool of Python workers knows of a request, a WebSocket or a worker has several
// owners: a loop each for the exchange and for the link, and the supervisor's goroutine. Each
// has a struct of its own, which the methods of its types alone select. They get one another's
// values as arguments.
func TestPartsAreTouchedByTheirOwners(t *testing.T) {
	owners := map[string][]string{
		"atLink":     {"link", "callTable", "lender"},
		"atHome":     {"call", "reply", "socket", "collector", "bodySink", "Pool"},
		"supervised": {"supervisor"},
	}
	// When a call is over at both, its memory is used again.
	exempt := []string{"call.recycle"}
	touched := make(map[string]bool)
	for _, f := range load(t).files {
		if f.test || f.dir != "workers/python" {
			continue
		}
		for _, decl := range f.syntax.Decls {
			fn, ok := decl.(*ast.FuncDecl)
			if !ok {
				continue
			}
			who := ""
			if fn.Recv != nil {
				who = receiver(fn)
			}
			ast.Inspect(fn, func(n ast.Node) bool {
				if s, ok := n.(*ast.SelectorExpr); ok && owners[s.Sel.Name] != nil && !slices.Contains(exempt, nameOf(fn)) {
					touched[s.Sel.Name] = true
					if !slices.Contains(owners[s.Sel.Name], who) {
						t.Errorf("%s: %s touches what is %s", f.position(s), nameOf(fn), s.Sel.Name)
					}
				}
				return true
			})
		}
	}
	if len(touched) != len(owners) {
		t.Errorf("touched are %v only", touched)
	}
}
