package python

import (
	"io/fs"
	"strings"
)

// Models returns the names of the worker models, in alphabetical order. Each is a module
// of the worker's Python code.
func Models() (names []string) {
	entries, err := fs.ReadDir(shimFiles, "shim/asteri_worker/models")
	if err != nil {
		panic("python: the embedded shim cannot be read") // the compiler has put it there
	}
	for _, e := range entries {
		if name, module := strings.CutSuffix(e.Name(), ".py"); module && name != "__init__" {
			names = append(names, name)
		}
	}
	return names
}
