package stats

// Since returns what has been counted since earlier, which is an earlier state of the
// same distribution. Both stay as they are.
func (d *Distribution) Since(earlier *Distribution) *Distribution {
	left := &Distribution{Count: d.Count - earlier.Count, Sum: d.Sum - earlier.Sum, Zero: d.Zero - earlier.Zero}
	if d.buckets == nil {
		return left
	}
	left.buckets = make([]uint64, buckets)
	copy(left.buckets, d.buckets)
	for i, n := range earlier.buckets {
		left.buckets[i] -= n
	}
	return left
}
