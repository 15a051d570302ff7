// Package handover is how one process of the server takes the place of another: the
// predecessor, which serves, starts its successor with a socket to talk by, and gives it
// its listening sockets, and what it has counted. It knows nothing of what is served.
//
// The predecessor's side is Successor, the successor's Predecessor. What they say, in this
// order:
//
//	successor                       predecessor
//	HELLO        it is one of us →
//	                              ← OFFER        what there is, as JSON; then
//	                              ← DESCRIPTORS  of its sockets
//	READY        it could serve   →               accepts nothing any more
//	                              ← TAKE         the totals so far: it is its turn
//	TAKEN        it serves        →
//	                              ← TOTALS       anew while the predecessor drains, at last
//	                                             when it has
//
// In place of READY it may say FAILED, and why. With the totals the predecessor may ASK for
// those of both, which come as ANSWER: whoever still asks it is told no less than others.
//
// A successor whose predecessor ends before TAKE is on its own, and serves: the sockets
// are open in it.
package handover
