//go:build !linux

package procname

// Set returns ErrUnsupported.
func Set(string) error { return ErrUnsupported }
