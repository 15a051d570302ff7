package wire

import "strings"

// What a worker says is text for people, too, and may be no UTF-8.

// validText returns p as valid UTF-8.
func validText(p []byte) string { return strings.ToValidUTF8(string(p), "\uFFFD") }

// Cut returns at most n bytes of s, as valid UTF-8.
func Cut(s string, n int) string { return strings.ToValidUTF8(s[:min(len(s), n)], "\uFFFD") }
