package output

import "strings"

// record is a part of a worker's output that is logged as one: a line, and
// those behind it that begin with white space or belong to a traceback. Empty lines
// are part of it only between others.
type record struct {
	lineMark
	text  strings.Builder
	gap   int // empty lines since the last
	state tracebackState
}

// maxRecord bounds a record, in bytes. What is longer goes on as another.
const maxRecord = 64 << 10

// tracebackState is where in a traceback, as Python prints them, the last line of a
// record stands.
type tracebackState uint8

const (
	tracebackNone   tracebackState = iota
	tracebackFrames                // its first line, and its frames
	tracebackRaised                // the exception, behind the frames
	tracebackChain                 // says that another one is related to it
)

const tracebackHead = "Traceback (most recent call last):"

// tracebackLinks are the sentences between the tracebacks of related exceptions.
var tracebackLinks = [...]string{
	"During handling of the above exception, another exception occurred:",
	"The above exception was the direct cause of the following exception:",
}

// goesOn tells whether line belongs to what the record holds.
func (r *record) goesOn(line string) bool {
	switch {
	case r.text.Len() == 0:
		return false
	case line == "", line[0] == ' ', line[0] == '\t':
		return true
	}
	return r.step(line)
}

// isObject tells whether the record is an object of JSON as far as it goes, to which
// nothing is added.
func (r *record) isObject() bool {
	text := r.text.String()
	return strings.HasPrefix(text, "{") && strings.HasSuffix(text, "}")
}

// full tells whether there is no room for line.
func (r *record) full(line string) bool {
	return r.text.Len()+r.gap+len(line) >= maxRecord
}

// begin prepares an empty record for line.
func (r *record) begin(line string) {
	r.state = tracebackNone
	if strings.HasPrefix(line, tracebackHead) {
		r.state = tracebackFrames
	}
}

func (r *record) add(line string) {
	switch {
	case r.text.Len() == 0:
		r.text.WriteString(line)
		return
	case line == "":
		r.gap++
		return
	}
	for range r.gap + 1 {
		r.text.WriteByte('\n')
	}
	r.gap = 0
	r.text.WriteString(line)
}

// step goes on in the traceback by a line that does not begin with white space. A
// traceback belongs to the line before it, with which logging and threading
// announce one, but not to another traceback.
func (r *record) step(line string) bool {
	switch r.state {
	case tracebackFrames:
		r.state = tracebackRaised
		return true
	case tracebackRaised:
		for _, link := range tracebackLinks {
			if line == link {
				r.state = tracebackChain
				return true
			}
		}
		return false
	}
	if !strings.HasPrefix(line, tracebackHead) {
		return false
	}
	r.state = tracebackFrames
	return true
}

// take empties the record and returns its text. What it says of a traceback stays,
// for one that is too long for a record.
func (r *record) take() string {
	text := r.text.String()
	r.text.Reset()
	r.gap = 0
	return text
}
