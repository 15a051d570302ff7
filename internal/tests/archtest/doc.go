// Package archtest holds the module to its architecture: which package may
// import which, and a few rules that no linter knows. It has tests only.
package archtest
