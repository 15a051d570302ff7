//go:build race

package suite

// raceEnabled: the server is built as the tests are, so that the race detector
// watches it too.
const raceEnabled = true
