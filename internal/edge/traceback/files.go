package traceback

import (
	"io"
	"os"
	"strings"
	"syscall"
)

// files are those of a page, each read once.
type files map[string][]string

func newFiles() files { return make(files) }

// Bounds of what is shown of a file.
const (
	before, after = 5, 3    // lines around the one that is meant
	maxFile       = 1 << 20 // bytes
	maxWidth      = 400     // bytes of a line
)

// around returns the lines around one, if there are such.
func (f files) around(name string, number int) (around []line) {
	lines, ok := f[name]
	if !ok {
		lines = readLines(name)
		f[name] = lines
	}
	if number < 1 || number > len(lines) {
		return nil
	}
	for n := max(number-before, 1); n <= min(number+after, len(lines)); n++ {
		text := lines[n-1]
		if len(text) > maxWidth {
			text = strings.ToValidUTF8(text[:maxWidth], "") + " ..."
		}
		around = append(around, line{n, text, n == number})
	}
	return around
}

// readLines reads a regular file, as far as it is not too long. A worker has named it, so it may
// be anything.
func readLines(name string) []string {
	f, err := os.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	if info, err := f.Stat(); err != nil || !info.Mode().IsRegular() {
		return nil
	}
	text, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil
	}
	return strings.Split(strings.ToValidUTF8(string(text), "\uFFFD"), "\n")
}
