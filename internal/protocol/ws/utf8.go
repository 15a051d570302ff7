package ws

import "unicode/utf8"

func validText(p []byte) bool { return utf8.Valid(p) }

// cutText shortens s to at most n bytes without cutting a character in two.
func cutText(s string, n int) string {
	if len(s) <= n {
		return s
	}
	for n > 0 && !utf8.RuneStart(s[n]) {
		n--
	}
	return s[:n]
}

// textCheck checks UTF-8 that comes in pieces, as early as it can be known to be
// wrong.
type textCheck struct {
	part [utf8.UTFMax]byte // the beginning of a character whose end has not come
	n    uint8
}

// add checks the next piece. It returns false if the text is wrong.
func (c *textCheck) add(p []byte) bool {
	for c.n > 0 {
		if len(p) == 0 {
			return true
		}
		c.part[c.n] = p[0]
		c.n++
		p = p[1:]
		if utf8.FullRune(c.part[:c.n]) { // also what can be no rune any more
			if !utf8.Valid(c.part[:c.n]) {
				return false
			}
			c.n = 0
		}
	}
	whole := wholeRunes(p)
	c.n = uint8(copy(c.part[:], p[whole:]))
	return utf8.Valid(p[:whole])
}

// complete tells whether the text may end here.
func (c *textCheck) complete() bool { return c.n == 0 }

// wholeRunes returns how much of p is left when a character at its end that is
// not complete is taken off.
func wholeRunes(p []byte) int {
	for i := len(p) - 1; i >= 0 && i > len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if utf8.FullRune(p[i:]) {
				return len(p)
			}
			return i
		}
	}
	return len(p)
}
