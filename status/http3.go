package status

// HTTP3 is about the connections of HTTP/3, which Report.Connections counts too.
type HTTP3 struct {
	// Connections are open now; Accepted were since the start.
	Connections int    `json:"connections"`
	Accepted    uint64 `json:"accepted"`
	// Errors counts streams and connections that were ended for what their
	// client did, by the name of the error code that it was told.
	Errors map[string]uint64 `json:"errors,omitempty"`
}
