package dispatch

// What tests of the pool look at, and change.

// Serving is a worker that takes calls.
type Serving struct {
	Calls, Credit int
	MayWait       bool // some calls may not have been begun with
}

// Serving returns the workers that take calls, and whether they are looked after.
func (d *Dispatcher) Serving() (all []Serving, looking bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.workers {
		all = append(all, Serving{r.calls, r.credit, r.mayWait()})
	}
	return all, d.lookArmed
}

// Trust lets calls wait in the links, as if the workers had been quick.
func (d *Dispatcher) Trust() {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, r := range d.workers {
		r.credit = MaxCredit
	}
}
