package http2

import "github.com/asteri/asteri-loop/internal/bounds/tokenbucket"

// idleFrames is for frames other than requests and content. Some of them are an
// honest client's: windows that it opens, a PING to measure the round trip. What
// it does is in proportion to the content, which pays for it.
var idleFrames = tokenbucket.Size{Burst: 4096, Rate: 256}

// What frames cost and earn.
const (
	settingsCost     = 16
	continuationCost = 8
	smallDataCost    = 8
	earnedByData     = 4
	earnedByRequest  = 4

	// smallData is the size below which a DATA frame is not worth sending while
	// there is more, and earns nothing.
	smallData = 64
)

// charge has the client pay for a frame that asks for nothing.
func (s *session) charge(n float64, reason string) error {
	if s.idle.Take(n, s.at.Home.Now()) {
		return nil
	}
	return errCalm(reason)
}
