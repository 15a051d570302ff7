package main

// version is the release. A build may set another with
// -ldflags "-X main.version=...".
var version = "0.1.0"

// software is how the server names itself to applications.
func software() string { return "asteri-loop/" + version }
