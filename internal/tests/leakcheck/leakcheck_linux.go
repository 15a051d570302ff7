package leakcheck

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
)

const descriptorDir = "/proc/self/fd"

func describe(fd string) (string, error) {
	return os.Readlink(filepath.Join(descriptorDir, fd))
}

// addChildren reads every process's parent from its stat line. The program's
// name, in parentheses, may itself hold spaces and parentheses.
func (s snapshot) addChildren() error {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return err
	}
	self := strconv.Itoa(os.Getpid())
	for _, file := range stats {
		line, err := os.ReadFile(file)
		if err != nil {
			continue // ended since it was listed
		}
		end := bytes.LastIndexByte(line, ')')
		fields := bytes.Fields(line[end+1:])
		if end < 0 || len(fields) < 2 || string(fields[1]) != self {
			continue
		}
		s[fmt.Sprintf("child process %s", line[:end+1])] = ""
	}
	return nil
}
