package loop

import "fmt"

// MisuseError says that a program has broken a rule of this package. Calls that return
// an error return it. The others panic with it: on a loop that costs the connection
// whose session made the call, with a *PanicError as the cause, and a line in the log.
type MisuseError struct {
	// Call is what was called, such as "Conn.SetTimer", or what was called of the
	// program's, such as "*chat.session.OnData".
	Call string
	// Rule is what the call must keep to.
	Rule string
}

// Error names the call and the rule.
func (e *MisuseError) Error() string { return "loop: " + e.Call + ": " + e.Rule }

// misused panics for a broken rule.
func misused(call, rule string, args ...any) {
	panic(&MisuseError{call, fmt.Sprintf(rule, args...)})
}

// misusedBy is misused for a method of the program's own value v.
func misusedBy(v any, method, rule string, args ...any) {
	misused(fmt.Sprintf("%T.%s", v, method), rule, args...)
}
