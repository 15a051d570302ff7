// Package control is the front's end of a worker's control socket: questions and orders that
// do not wait behind requests, the worker's answers and reports, and the descriptors that
// both pass.
package control
