//go:build !linux

package proctree

import "errors"

// AdoptOrphans reports that only Linux can do it.
func AdoptOrphans() error { return errors.ErrUnsupported }
