package trace

import (
	"context"
	"errors"
	"strconv"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	sdk "go.opentelemetry.io/otel/sdk/trace"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

// samplerOf reads OTEL_TRACES_SAMPLER and OTEL_TRACES_SAMPLER_ARG.
func samplerOf(o Options) sdk.Sampler {
	name := o.Getenv("OTEL_TRACES_SAMPLER")
	switch name {
	case "", "parentbased_always_on":
		return sdk.ParentBased(sdk.AlwaysSample())
	case "parentbased_always_off":
		return sdk.ParentBased(sdk.NeverSample())
	case "parentbased_traceidratio":
		return sdk.ParentBased(sdk.TraceIDRatioBased(ratioOf(o)))
	case "always_on":
		return sdk.AlwaysSample()
	case "always_off":
		return sdk.NeverSample()
	case "traceidratio":
		return sdk.TraceIDRatioBased(ratioOf(o))
	}
	o.Logger.Warn("sampler is not known", "variable", "OTEL_TRACES_SAMPLER", "value", name, "used", "parentbased_always_on")
	return sdk.ParentBased(sdk.AlwaysSample())
}

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

// describe says who makes the spans. OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES
// have the last word.
func describe(o Options) (*resource.Resource, error) {
	about, err := resource.New(context.Background(),
		resource.WithTelemetrySDK(), resource.WithHost(), resource.WithProcessPID(),
		resource.WithAttributes(semconv.ServiceName("asteri-loop"), attribute.String("asteri.version", o.Version)),
		resource.WithFromEnv(),
	)
	if errors.Is(err, resource.ErrPartialResource) {
		o.Logger.Warn("traces do not say all about the server", "error", err)
		err = nil
	}
	return about, err
}
