package peers

import (
	"bytes"
	"os"
	"path/filepath"
)

// The files of the static cases. Those who serve them do so below /files/.
const (
	SmallFile = "/files/10k.txt" // 10 kB
	LargeFile = "/files/1m.txt"  // 1 MB
)

// Content returns what a path is answered with.
func Content(path string) []byte {
	switch path {
	case SmallFile:
		return fileOf(10_000)
	case LargeFile:
		return fileOf(1_000_000)
	}
	return []byte(Body)
}

// fileOf returns n bytes of text.
func fileOf(n int) []byte {
	return bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuvwxyz\n"), n/37+1)[:n]
}

// writeFiles leaves the files in {tmp}, and the body beside them for servers
// that answer with a file.
func writeFiles(tmp string) error {
	if err := os.MkdirAll(filepath.Join(tmp, "files"), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(tmp, "plaintext"), []byte(Body), 0o644); err != nil {
		return err
	}
	for _, path := range []string{SmallFile, LargeFile} {
		if err := os.WriteFile(filepath.Join(tmp, filepath.FromSlash(path)), Content(path), 0o644); err != nil {
			return err
		}
	}
	return nil
}
