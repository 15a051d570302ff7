// Package contract tests what package asteri promises to handlers, once for every
// protocol: on a real engine, by real clients of HTTP/1.1, plain and over TLS, HTTP/2
// and HTTP/3.
package contract
