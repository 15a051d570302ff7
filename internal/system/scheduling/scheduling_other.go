//go:build !linux

package scheduling

import "errors"

// Supported tells whether the system has batch work.
const Supported = false

func setThreads(bool) error { return errors.ErrUnsupported }

func setThread(int, bool) error { return errors.ErrUnsupported }
