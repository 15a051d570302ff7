package stats

import (
	"math"
	"time"
)

// The buckets are those of a native histogram of Prometheus with schema 3: eight
// for each doubling, so a quantile is off by 4.5 % at most. Every eighth bound is
// a power of two seconds, and those are the bounds of the classic buckets: both
// kinds come from one count.
const (
	// Schema is the resolution of the buckets, in Prometheus' terms.
	Schema    = 3
	perOctave = 1 << Schema

	lowest  = -17 // 2^lowest seconds, 8 µs, and less is one bucket
	highest = 17  // 2^highest seconds, a day and a half, and more is one, too
	buckets = (highest - lowest) * perOctave
)

// ZeroThreshold is the bound, in seconds, up to which times count as none.
const ZeroThreshold = 1.0 / (1 << -lowest)

// histogram counts times.
type histogram struct {
	sum     time.Duration
	zero    uint64
	buckets [buckets]uint64 // the first ends at 2^lowest * 2^(1/8) seconds
}

func (h *histogram) add(d time.Duration) { h.addTo(bucketOf(d), d) }

// addTo is add of a time whose bucket is known.
func (h *histogram) addTo(bucket int, d time.Duration) {
	h.sum += d
	if bucket < 0 {
		h.zero++
	} else {
		h.buckets[bucket]++
	}
}

// bucketOf returns the bucket of a time, below 0 if it counts as none.
func bucketOf(d time.Duration) int {
	return max(min(index(d)-lowest*perOctave, buckets)-1, -1)
}

// bounds are the fractions of 2^(1/8), 2^(2/8) ... as they stand in the bits of a
// float64. Each eighth of the octave has exactly one of them, but the last: there
// the bound is its end.
var bounds = func() (b [perOctave]uint64) {
	for i := range b {
		b[i] = math.Float64bits(math.Exp2(float64(i+1)/perOctave)) & mantissa
	}
	b[perOctave-1] = mantissa
	return b
}()

const (
	mantissaBits = 52
	mantissa     = 1<<mantissaBits - 1
	exponentBias = 1023
)

// index returns the i for which 2^((i-1)/8) < d <= 2^(i/8) seconds.
func index(d time.Duration) int {
	if d <= 0 {
		return math.MinInt32
	}
	bits := math.Float64bits(float64(d) / 1e9)
	i := (int(bits>>mantissaBits) - exponentBias) * perOctave
	fraction := bits & mantissa
	if fraction == 0 {
		return i
	}
	eighth := fraction >> (mantissaBits - Schema)
	i += 1 + int(eighth)
	if fraction > bounds[eighth] {
		i++
	}
	return i
}

// Distribution is what a histogram has counted. The zero value is empty.
type Distribution struct {
	// Count is the number of times, Sum their sum in seconds.
	Count uint64
	Sum   float64
	// Zero counts those up to ZeroThreshold.
	Zero uint64

	buckets []uint64 // as in histogram; nil if there are none
}

// merge adds what h has counted.
func (d *Distribution) merge(h *histogram) {
	if d.buckets == nil {
		d.buckets = make([]uint64, buckets)
	}
	d.Sum += float64(h.sum) / 1e9
	d.Zero += h.zero
	d.Count += h.zero
	for i, n := range &h.buckets {
		d.buckets[i] += n
		d.Count += n
	}
}

// Add adds what o has counted.
func (d *Distribution) Add(o *Distribution) {
	d.Count += o.Count
	d.Sum += o.Sum
	d.Zero += o.Zero
	if o.buckets == nil {
		return
	}
	if d.buckets == nil {
		d.buckets = make([]uint64, buckets)
	}
	for i, n := range o.buckets {
		d.buckets[i] += n
	}
}

// Native calls each with the buckets that are not empty, in order: the index is
// that of Prometheus' native histograms for Schema.
func (d *Distribution) Native(each func(index int, n uint64)) {
	for i, n := range d.buckets {
		if n > 0 {
			each(lowest*perOctave+1+i, n)
		}
	}
}

// Classic calls each for the bounds 2^from, 2^(from+1) ... 2^to seconds with the
// number of times that are not longer. from and to are in the range of the buckets.
func (d *Distribution) Classic(from, to int, each func(bound float64, cumulative uint64)) {
	n, at := d.Zero, 0
	for exp := from; exp <= to; exp++ {
		for end := (exp - lowest) * perOctave; at < end && at < len(d.buckets); at++ {
			n += d.buckets[at]
		}
		each(math.Exp2(float64(exp)), n)
	}
}

// Quantile returns the time in seconds that the fraction q, 0 to 1, of all did not
// exceed; 0 if there are none.
func (d *Distribution) Quantile(q float64) float64 {
	rank := q * float64(d.Count)
	seen := float64(d.Zero)
	if seen >= rank {
		return 0
	}
	for i, n := range d.buckets {
		if n == 0 {
			continue
		}
		if seen+float64(n) >= rank {
			within := (rank - seen) / float64(n)
			return math.Exp2(lowest + (float64(i)+within)/perOctave)
		}
		seen += float64(n)
	}
	return 0
}
