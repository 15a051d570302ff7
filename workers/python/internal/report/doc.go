// Package report is what workers report of their applications: the metrics that these count,
// and by how much requests of each route make processes grow. It is added up over workers
// that come and go, within bounds, whatever they say.
package report
