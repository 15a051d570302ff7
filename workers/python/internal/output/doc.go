// Package output is what workers say for people: it reads their standard output and error,
// joins the lines that belong together, takes the marks off that name their requests, and
// tells objects of JSON and tracebacks apart, so that the log has one form of them whoever
// wrote them, and by whichever way.
package output
