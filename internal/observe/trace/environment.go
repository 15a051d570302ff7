package trace

import (
	"context"
	"errors"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/sdk/resource"
	semconv "go.opentelemetry.io/otel/semconv/v1.43.0"
)

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
