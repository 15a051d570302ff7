package server

import (
	"log/slog"
	"time"

	"github.com/asteri/asteri-loop/internal/edge/compress"
	"github.com/asteri/asteri-loop/internal/edge/static"
)

// Static says which files are served, in front of the applications.
type Static struct {
	// Folders are served below paths, of which the longest that fits decides.
	// Default none.
	Folders []Folder
	// MaxAge, in whole seconds, is how long clients may use a file without asking
	// again. Default: as they think fit.
	MaxAge time.Duration
	// Fallthrough passes requests for what is no file to the applications, as
	// happens at the prefix "/" in any case.
	Fallthrough bool
	// FollowSymlinks lets symbolic links lead out of a folder.
	FollowSymlinks bool
	// CacheSize bounds the memory for files, in bytes. Default 32 MiB.
	CacheSize int64
}

// Folder is a directory that is served below a path such as "/static".
type Folder struct{ Prefix, Dir string }

func (f *Static) options(log *slog.Logger) static.Options {
	o := static.Options{MaxAge: f.MaxAge, Fallthrough: f.Fallthrough, FollowSymlinks: f.FollowSymlinks, CacheSize: f.CacheSize, Logger: log}
	for _, folder := range f.Folders {
		o.Mounts = append(o.Mounts, static.Mount(folder))
	}
	return o
}

// Compression says which responses are compressed.
type Compression struct {
	// Codings are "gzip", "zstd" or "br", each perhaps with a level ("gzip:6"), in the
	// order in which they are offered. Default none.
	Codings []string
	// MinLength is the Content-Length, in bytes, from which a response is worth it.
	// Default 1 KiB; negative: any.
	MinLength int64
	// Types are media types, such as "text/html" or "text/*", in lower case. Default
	// those that gain by it.
	Types []string
}

func (c *Compression) options() (o compress.Options, err error) {
	o = compress.Options{MinLength: max(c.MinLength, 0), Types: c.Types}
	if c.MinLength == 0 {
		o.MinLength = 1 << 10
	}
	o.Codings = make([]compress.Coding, len(c.Codings))
	for i, name := range c.Codings {
		if o.Codings[i], err = compress.ParseCoding(name); err != nil {
			return o, err
		}
	}
	return o, nil
}
