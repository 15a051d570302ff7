package httpfield

// Priority is how urgent a response is, and whether it is of use in pieces, RFC
// 9218 section 4.
type Priority struct {
	// Urgency is from 0, the most urgent, to 7.
	Urgency uint8
	// Incremental responses share the connection with others; one that is
	// not is of use only as a whole.
	Incremental bool
}

// DefaultPriority is that of a request which says nothing of it.
var DefaultPriority = Priority{Urgency: 3}

// NumUrgencies is the number of urgencies.
const NumUrgencies = 8

// ParsePriority reads the value of a Priority field, or of a PRIORITY_UPDATE
// frame: a dictionary of structured fields (RFC 8941 section 3.2). Members that
// are not known, of another type or out of range are ignored, and so is what
// follows a mistake of the grammar. What is not said is as in p.
func ParsePriority[T string | []byte](v T, p Priority) Priority {
	for i := 0; i < len(v); {
		for i < len(v) && (v[i] == ' ' || v[i] == '\t' || v[i] == ',') {
			i++
		}
		from := i
		for i < len(v) && v[i] != ',' && v[i] != ';' && v[i] != ' ' && v[i] != '\t' {
			i++
		}
		switch m := v[from:i]; {
		case len(m) == 3 && m[0] == 'u' && m[1] == '=' && '0' <= m[2] && m[2] <= '7':
			p.Urgency = m[2] - '0'
		case len(m) == 1 && m[0] == 'i', len(m) == 4 && string(m) == "i=?1":
			p.Incremental = true
		case len(m) == 4 && string(m) == "i=?0":
			p.Incremental = false
		}
		for i < len(v) && v[i] != ',' { // parameters of the member
			i++
		}
	}
	return p
}
