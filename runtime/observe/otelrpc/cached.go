package otelrpc

import (
	"sync/atomic"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/metric"
)

// cached holds the options of a measurement, because making a set of attributes costs more than the measurement.
type cached struct {
	p atomic.Pointer[[]metric.RecordOption]
}

func (c *cached) options(set func() attribute.Set) []metric.RecordOption {
	if p := c.p.Load(); p != nil {
		return *p
	}
	o := []metric.RecordOption{metric.WithAttributeSet(set())}
	c.p.Store(&o)
	return o
}
