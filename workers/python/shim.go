package python

import (
	"bytes"
	"embed"
	"fmt"
	"io/fs"
	"strconv"
	"strings"
	"sync"
)

// The Python side of the link. Patterns with a wildcard, because a plain folder
// would leave out the files that begin with an underscore.
//
//go:embed shim/boot.py shim/asteri_metrics.py shim/asteri_worker/*.py shim/asteri_worker/models/*.py
var shimFiles embed.FS

// program is what a worker's Python reads from its standard input: the shim's
// modules as one dict of string literals, and boot.py, which imports them from
// there. Nothing of it is ever a file, so a server that is killed leaves nothing
// behind, and nobody can change what workers run.
var program = sync.OnceValue(func() []byte {
	var b bytes.Buffer
	b.WriteString("SOURCES = {\n")
	err := fs.WalkDir(shimFiles, "shim", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || path == "shim/boot.py" {
			return err
		}
		source, err := shimFiles.ReadFile(path)
		if err == nil {
			// Go's escapes of ASCII literals are among Python's.
			fmt.Fprintf(&b, "%q: %s,\n", strings.TrimPrefix(path, "shim/"), strconv.QuoteToASCII(string(source)))
		}
		return err
	})
	boot, bootErr := shimFiles.ReadFile("shim/boot.py")
	if err != nil || bootErr != nil {
		panic("python: the embedded shim cannot be read") // the compiler has put it there
	}
	b.WriteString("}\n")
	b.Write(boot)
	return b.Bytes()
})
