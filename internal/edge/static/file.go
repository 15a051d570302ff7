package static

import (
	"errors"
	"io"
	"io/fs"
	"net/http"
	"os"
	"strconv"
	"time"

	"github.com/asteri/asteri-loop"
	"github.com/asteri/asteri-loop/internal/edge/accept"
	"github.com/asteri/asteri-loop/internal/system/descriptors"
)

const (
	// smallFile is the size up to which content is kept in memory. Larger
	// files are kept open and sent by the system.
	smallFile = 64 << 10
	// settling is how long after a change of a file another may leave size
	// and modification time as they are, since clocks of file systems are
	// coarse: until then neither tells for sure that nothing has changed.
	settling = 2 * time.Second
)

// file is one representation of a resource: the file itself or a precompressed
// sibling. It does not change.
type file struct {
	coding  accept.Coding
	info    fs.FileInfo
	size    int64
	settled bool // see settling

	content []byte            // all of it, or nil
	open    *descriptors.File // if content is nil

	etag         string
	modified     time.Time // in whole seconds; zero if it is unusable
	lastModified string    // the same, as a field has it

	head        asteri.Header // of a 200 (OK), without Content-Length
	sized       asteri.Header // the same with it
	notModified asteri.Header // of a 304 (Not Modified)
	contentType string
}

// readFile makes a file of f, which it takes over.
func readFile(f opened, now time.Time) (*file, error) {
	v := &file{
		coding: f.coding, info: f.info, size: f.info.Size(),
		settled: now.Sub(f.info.ModTime()) > settling,
	}
	v.validators(now)
	if v.size > smallFile {
		var err error
		v.open, err = descriptors.TakeFile(f.File)
		return v, err
	}
	defer f.Close()
	v.content = make([]byte, v.size)
	n, err := f.ReadAt(v.content, 0)
	switch {
	case int64(n) == v.size:
		return v, nil
	case errors.Is(err, io.EOF):
		return nil, errChanging
	}
	return nil, err
}

// validators sets entity tag and date. A file that may still change unnoticed
// has a weak tag (RFC 9110 section 8.8.1), and a date in the future would be later
// than that of the response (section 8.8.2.1), so it is not told.
func (v *file) validators(now time.Time) {
	mod := v.info.ModTime()
	var b []byte
	if !v.settled {
		b = append(b, "W/"...)
	}
	b = append(b, '"')
	b = strconv.AppendInt(b, mod.UnixNano(), 36)
	b = append(b, '-')
	b = strconv.AppendInt(b, v.size, 36)
	if v.coding != accept.Identity {
		b = append(b, '-')
		b = append(b, v.coding.String()...)
	}
	v.etag = string(append(b, '"'))
	if mod.Unix() > 0 && !mod.After(now) {
		v.modified = mod.Truncate(time.Second)
		v.lastModified = mod.UTC().Format(http.TimeFormat)
	}
}

// describe prepares the fields of responses. varies says that the resource has
// other representations.
func (v *file) describe(contentType, cacheControl string, varies bool) {
	v.contentType = contentType
	v.head.Reset()
	v.notModified.Reset()
	v.head.Add("Content-Type", contentType)
	if v.coding != accept.Identity {
		v.head.Add("Content-Encoding", v.coding.String())
	}
	v.head.Add("Accept-Ranges", "bytes")
	if v.lastModified != "" {
		v.head.Add("Last-Modified", v.lastModified)
	}
	for _, h := range []*asteri.Header{&v.head, &v.notModified} {
		h.Add("ETag", v.etag)
		if cacheControl != "" {
			h.Add("Cache-Control", cacheControl)
		}
		if varies {
			h.Add("Vary", accept.Header)
		}
	}
	v.sized.CopyFrom(&v.head)
	v.sized.AddInt("Content-Length", v.size)
}

// unchanged tells whether v still is what info describes.
func (v *file) unchanged(info fs.FileInfo) bool {
	return v.settled && os.SameFile(v.info, info) && v.size == info.Size() && v.info.ModTime().Equal(info.ModTime())
}
