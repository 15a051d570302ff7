package server

import "github.com/asteri/asteri-loop/internal/system/scheduling"

// What Config.Scheduling may be.
const (
	schedulingAuto   = "auto"
	schedulingNormal = "normal"
	schedulingBatch  = "batch"
)

// beginScheduling makes the process batch work, if it is to be that from the start.
func (s *Server) beginScheduling() error {
	if s.cfg.Scheduling != schedulingBatch {
		return nil
	}
	if err := scheduling.Batch(true); err != nil {
		return wrong("Scheduling", "batch: %w", err)
	}
	return nil
}

// onBusy has the process be batch work while there is much to do. Where the system
// forbids that, it stays what it is.
func (s *Server) onBusy(busy bool) {
	if err := scheduling.Batch(busy && s.ctx.Err() == nil); err != nil {
		s.log.Debug("the scheduling policy stays as it is", "batch", busy, "error", err)
	}
}

// endScheduling leaves the process as it was.
func (s *Server) endScheduling() {
	if scheduling.IsBatch() {
		_ = scheduling.Batch(false) // what has been changed can be changed back
	}
}
