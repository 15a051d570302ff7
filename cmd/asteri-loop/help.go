package main

import (
	"fmt"
	"os"
	"strings"

	"github.com/asteri/asteri-loop/internal/settings/config"
)

// help writes what there is to say on a topic.
func help(topic string) int {
	var text strings.Builder
	if err := config.WriteHelp(&text, topic); err != nil {
		return complain(exitUsage, err)
	}
	if _, err := os.Stdout.WriteString(text.String()); err != nil {
		return complain(exitFailure, err)
	}
	return exitOK
}

// complain reports an error, or several that are joined, for which there is no log yet.
func complain(status int, err error) int {
	for line := range strings.SplitSeq(err.Error(), "\n") {
		fmt.Fprintln(os.Stderr, "asteri-loop:", line)
	}
	return status
}
