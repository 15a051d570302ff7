package static

import (
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/edge/media"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

// index is the file that a folder stands for.
const index = "index.html"

// kind says what a path stands for.
type kind uint8

const (
	missing   kind = iota
	found          // a file
	folder         // a folder with an index, named without its slash
	forbidden      // something that the server may not read
	failed         // nobody knows: the system had no answer
)

// entry is what is known of a path.
type entry struct {
	key   string
	kind  kind
	files []*file // the first is the file itself, others are its siblings
	offer []accept.Coding

	checked atomic.Int64 // when it was last true, in the cache's time
	visited atomic.Bool  // since the cache last looked for what to forget

	// The cache's.
	older, newer *entry
	gone         bool // forgotten, and closed
}

// siblings are the precompressed files that are looked for, the best first.
var siblings = []struct {
	coding accept.Coding
	suffix string
}{{accept.Brotli, ".br"}, {accept.Zstd, ".zst"}, {accept.Gzip, ".gz"}}

// choose returns the representation that the client likes best.
func (e *entry) choose(q *accept.Qualities) *file {
	coding, _ := q.Best(e.offer...) // if it likes none it gets the file itself
	for _, f := range e.files[1:] {
		if f.coding == coding {
			return f
		}
	}
	return e.files[0]
}

// close closes what e has open.
func (e *entry) close() {
	for _, f := range e.files {
		if f.open != nil {
			f.open.Close()
		}
	}
}

// cost returns roughly how much memory e takes, and how many descriptors.
func (e *entry) cost() (bytes int64, open int) {
	const perEntry, perFile = 256, 1024
	bytes = perEntry + int64(len(e.key))
	for _, f := range e.files {
		bytes += perFile + int64(len(f.content))
		if f.open != nil {
			open++
		}
	}
	return bytes, open
}

// lookup finds out what key stands for. old is what was known before, or nil: it
// is returned if it is still true. It waits for the disk.
func (m *mount) lookup(key string, old *entry, log *slog.Logger) *entry {
	e, err := m.find(key, old)
	const attempts = 3
	for n := 1; n < attempts && errors.Is(err, errChanging); n++ {
		e, err = m.find(key, old)
	}
	if err == nil {
		return e
	}
	e = &entry{key: key, kind: kindOf(err)}
	if !isMissing(err) {
		log.Warn("a static file cannot be served", "path", key, "error", err)
	}
	return e
}

// isMissing tells whether err says no more than that there is no such file: the
// others of a kind missing are worth a word to the operator.
func isMissing(err error) bool {
	return errors.Is(err, errIrregular) || errors.Is(err, errFolder) || errors.Is(err, fs.ErrNotExist) ||
		errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ENAMETOOLONG)
}

var (
	errIrregular = errors.New("not a regular file")
	errFolder    = errors.New("a folder, named without its slash")
	errChanging  = errors.New("the file changed while it was read")
)

func kindOf(err error) kind {
	var errno syscall.Errno
	switch {
	case isMissing(err):
		return missing
	case errors.Is(err, fs.ErrPermission):
		return forbidden
	case errors.Is(err, unix.ELOOP), errors.Is(err, unix.ENXIO), errors.Is(err, unix.EINVAL):
		return missing
	case errors.Is(err, errChanging), errors.Is(err, descriptors.ErrExhausted), errors.As(err, &errno):
		return failed
	}
	return missing // a symbolic link that leads out of the root
}

// tree is a folder whose files are opened by relative names.
type tree interface {
	OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error)
	Close() error
}

// anywhere is a tree that follows symbolic links wherever they lead.
type anywhere string

func (dir anywhere) OpenFile(name string, flag int, perm fs.FileMode) (*os.File, error) {
	return os.OpenFile(filepath.Join(string(dir), name), flag, perm)
}

func (dir anywhere) Close() error { return nil }

// openTree opens the folder by its name, each time anew: it may have been
// replaced by another since, as deployments do.
func (m *mount) openTree() (tree, error) {
	if m.followSymlinks {
		return anywhere(m.dir), nil
	}
	return os.OpenRoot(m.dir)
}

func (m *mount) find(key string, old *entry) (*entry, error) {
	root, err := m.openTree()
	if err != nil {
		return nil, err
	}
	defer root.Close()
	name, isFolder := strings.CutPrefix(key[len(m.prefix):], "/")
	if !isFolder { // the key is the prefix: the root itself, without its slash
		return findFolder(key, root, ".")
	}
	if name == "" || strings.HasSuffix(name, "/") {
		name += index
	}
	f, err := openRegular(root, name)
	if errors.Is(err, errFolder) {
		return findFolder(key, root, name)
	}
	if err != nil {
		return nil, err
	}
	contentType := media.ByName(name)
	found := []opened{f}
	if media.Compressible([]byte(contentType)) {
		found = appendSiblings(found, root, name)
	}
	if old != nil && old.describes(found) {
		closeAll(found)
		return old, nil
	}
	return m.read(key, found, contentType)
}

// findFolder is for a folder named without its slash, which counts if it has an
// index.
func findFolder(key string, root tree, name string) (*entry, error) {
	f, err := openRegular(root, name+"/"+index)
	if err != nil {
		return nil, err
	}
	f.Close()
	return &entry{key: key, kind: folder}, nil
}

// appendSiblings adds those precompressed siblings of the file found[0] that are
// not older: others were made of an earlier version.
func appendSiblings(found []opened, root tree, name string) []opened {
	original := found[0].info.ModTime()
	for _, s := range siblings {
		f, err := openRegular(root, name+s.suffix)
		if err != nil {
			continue // the file itself is there, and enough
		}
		if f.info.ModTime().Add(time.Second).Before(original) {
			f.Close()
			continue
		}
		f.coding = s.coding
		found = append(found, f)
	}
	return found
}

// describes tells whether e still says what was found.
func (e *entry) describes(found []opened) bool {
	return slices.EqualFunc(e.files, found, func(v *file, f opened) bool {
		return v.coding == f.coding && v.unchanged(f.info)
	})
}

// read makes an entry of what was found, which it takes over.
func (m *mount) read(key string, from []opened, contentType string) (*entry, error) {
	e := &entry{key: key, kind: found}
	now := time.Now()
	for i, f := range from {
		v, err := readFile(f, now)
		if err != nil {
			e.close()
			closeAll(from[i+1:])
			return nil, err
		}
		v.describe(contentType, m.cacheControl, len(from) > 1)
		e.files = append(e.files, v)
		if i > 0 {
			e.offer = append(e.offer, v.coding)
		}
	}
	e.offer = append(e.offer, accept.Identity)
	return e, nil
}

// opened is a regular file.
type opened struct {
	*os.File
	info   fs.FileInfo
	coding accept.Coding
}

func closeAll(list []opened) {
	for _, f := range list {
		f.Close()
	}
}

// openRegular opens a regular file, and nothing else. Opening a named pipe must
// not wait for someone to write to it.
func openRegular(root tree, name string) (opened, error) {
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NONBLOCK, 0)
	if err != nil {
		return opened{}, err
	}
	info, err := f.Stat()
	switch {
	case err != nil:
	case info.IsDir():
		err = errFolder
	case !info.Mode().IsRegular():
		err = errIrregular
	default:
		return opened{File: f, info: info}, nil
	}
	f.Close()
	return opened{}, err
}
