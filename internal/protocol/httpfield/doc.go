// Package httpfield holds the rules of HTTP's fields that are the same for every
// version, RFC 9110: their grammar, what a response may say, the target of a
// request; and the head of a request as HTTP/2 and HTTP/3 write it, where control
// data comes as pseudo-header fields (RFC 9113 section 8.3, RFC 9114 section 4.3).
//
// Functions here do no I/O and keep no reference to what they are given, unless
// they say so.
package httpfield
