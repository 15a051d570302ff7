package server

// Totals are what has been counted, for the process that takes the place of this one; nil if
// nobody is told of it (Status.Off).
func (s *Server) Totals() []byte {
	if s.status == nil {
		return nil
	}
	return s.status.Totals()
}

// InheritTotals has the counts go on from the Totals of another process. A later call
// replaces what an earlier one said.
func (s *Server) InheritTotals(totals []byte) {
	if s.status == nil || len(totals) == 0 {
		return
	}
	if err := s.status.Inherit(totals); err != nil {
		s.log.Warn("What the process before has counted is not understood: the counts begin anew", "error", err)
	}
}

// Follow has status page and metrics tell what the process says that takes the place of this
// one: ask gives it the Totals, and returns its own. After nil they tell of this one again.
func (s *Server) Follow(ask func(totals []byte) ([]byte, error)) {
	if s.status != nil {
		s.status.Follow(ask)
	}
}
