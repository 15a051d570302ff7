// Package media knows media types: by a file's name, and what there is to gain
// by compressing them. It does not ask the system, whose tables differ from
// machine to machine.
package media

import (
	"bytes"
	"path"
	"strings"
)

// Unknown is the type of files that the table does not know.
const Unknown = "application/octet-stream"

// ByName returns the media type of a file by its name's extension, with a
// charset for text.
func ByName(name string) string {
	ext := strings.TrimPrefix(path.Ext(name), ".")
	if t, ok := byExtension[ext]; ok {
		return t
	}
	if t, ok := byExtension[strings.ToLower(ext)]; ok {
		return t
	}
	return Unknown
}

// Compressible tells whether content of this type, as in Content-Type, becomes
// smaller by compression: text and what is written like text, and formats that
// hold their data plainly.
func Compressible(contentType []byte) bool {
	end := bytes.IndexByte(contentType, ';')
	if end < 0 {
		end = len(contentType)
	}
	var lowered [64]byte // longer types are none of those known
	if end > len(lowered) {
		return false
	}
	for i, c := range contentType[:end] {
		if 'A' <= c && c <= 'Z' {
			c |= 0x20
		}
		lowered[i] = c
	}
	kind := bytes.TrimRight(lowered[:end], " \t")
	if bytes.HasPrefix(kind, text) || plain[string(kind)] {
		return true
	}
	for _, s := range suffixes {
		if bytes.HasSuffix(kind, s) {
			return true
		}
	}
	return false
}

var text = []byte("text/")

// suffixes are structured syntaxes (RFC 6839) that are text.
var suffixes = [][]byte{[]byte("+json"), []byte("+xml"), []byte("+yaml"), []byte("+json-seq")}
