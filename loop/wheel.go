package loop

import (
	"time"

	"github.com/asteri/asteri-loop/internal/system/wheel"
)

// slotTime is how coarse timers are. That of a connection is moved back with each request,
// which only stores a number; see package wheel.
const slotTime = 32 * time.Millisecond

// ticks counts slotTime since the loop began; 0 means none.
type ticks = wheel.Ticks

// wheelTimers has the wheel find a connection's timer.
type wheelTimers struct{}

func (wheelTimers) Timer(c *conn) *wheel.Timer[conn] { return &c.wheelTimer }
