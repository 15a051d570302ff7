package trace

import (
	"encoding/binary"
	"strconv"

	"github.com/asteri/asteri-loop"
)

// sampler decides whether a trace is recorded, before anything of the request is known
// but its place in the trace. It is what the samplers of OpenTelemetry's SDK with the
// same names come to, without what those need of every request to be asked.
type sampler struct {
	// byParent says that a trace that a client began is recorded if the client
	// records it.
	byParent bool
	// below is the fraction of the others that is recorded, of 1<<63.
	below uint64
}

// all is the fraction of a sampler that records whatever it decides on.
const all = 1 << 63

// samplerOf reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
func samplerOf(o Options) sampler {
	name := o.Getenv("OTEL_TRACES_SAMPLER")
	switch name {
	case "", "parentbased_always_on":
		return sampler{byParent: true, below: all}
	case "parentbased_always_off":
		return sampler{byParent: true}
	case "parentbased_traceidratio":
		return sampler{byParent: true, below: fraction(ratioOf(o))}
	case "always_on":
		return sampler{below: all}
	case "always_off":
		return sampler{}
	case "traceidratio":
		return sampler{below: fraction(ratioOf(o))}
	}
	o.Logger.Warn("sampler is not known", "variable", "OTEL_TRACES_SAMPLER", "value", name, "used", "parentbased_always_on")
	return sampler{byParent: true, below: all}
}

func fraction(ratio float64) uint64 { return uint64(ratio * all) }

// ratioOf is 1 unless the environment has another.
func ratioOf(o Options) float64 {
	text := o.Getenv("OTEL_TRACES_SAMPLER_ARG")
	if text == "" {
		return 1
	}
	ratio, err := strconv.ParseFloat(text, 64)
	if err != nil || !(ratio >= 0 && ratio <= 1) {
		o.Logger.Warn("ratio is not a number from 0 to 1", "variable", "OTEL_TRACES_SAMPLER_ARG", "value", text, "used", 1)
		return 1
	}
	return ratio
}

// samples tells whether the trace is recorded. Of the id it looks at the bits that all
// services look at (OpenTelemetry's TraceIdRatioBased, as its SDKs have it), so that
// those with the same ratio record the same traces.
func (s sampler) samples(own *asteri.Trace, parentSampled bool) bool {
	if s.byParent && own.ParentID != [8]byte{} {
		return parentSampled
	}
	return binary.BigEndian.Uint64(own.TraceID[8:])>>1 < s.below
}
