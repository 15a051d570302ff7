package main

// version is the release. A build may set another with
// -ldflags "-X main.version=...".
var version = "0.1.0"
