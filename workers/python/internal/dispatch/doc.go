// Package dispatch decides which worker gets which call: one bounded queue for all loops, the
// room that each worker has, the watch over workers that keep calls they do not begin with,
// and the trials of calls whose worker has died. It knows a call as a Ticket and a worker as
// Slots: what is in them nobody else touches.
package dispatch
