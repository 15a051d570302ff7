// Package poison finds, in builds with -tags asteridebug, who keeps bytes beyond their
// time: they are spoilt before their memory is used for others. In release builds it
// costs nothing.
package poison

// Byte is what spoilt memory consists of.
const Byte = 0xDB
