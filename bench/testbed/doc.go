// Package testbed is what every measurement needs: programs that are built, a
// certificate, a server process, and the facts of the machine.
package testbed
