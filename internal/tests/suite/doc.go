// Package suite tests the whole server from outside: it builds the real
// binary, starts it on free ports with real applications from PyPI (folder
// apps) and drives it with real clients. It holds nothing but tests.
//
// ASTERI_SUITE_BINARY names a binary to test in place of a fresh build, and
// ASTERI_SUITE_PYTHON an interpreter that has what apps/requirements.txt names,
// in place of .venv/tests, which the suite otherwise prepares.
//
// Every server runs with a mark in its environment and a temporary directory of
// its own: what carries the mark after the server has ended is a leaked process,
// what lies in the directory a leaked file, and both fail the test.
package suite
