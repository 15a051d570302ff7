package callback

// Each calls fn for each of all, also when a call ends the goroutine: the others are to
// hear of what concerns them too.
func Each[T any](all []T, fn func(T)) {
	next := 0
	defer func() {
		if next < len(all) {
			Each(all[next:], fn)
		}
	}()
	for next < len(all) {
		next++
		fn(all[next-1])
	}
}
