package cell

import "context"

// Open is how long calls took that were due at a rate, counted from when they were due.
type Open struct {
	View     string  `json:"view"`     // "open"
	Capacity float64 `json:"capacity"` // calls/s of as many callers that make one call after another
	Offered  float64 `json:"offered"`  // calls/s that were due, on average
	Own      bool    `json:"own"`      // whether Offered is a share of Capacity; otherwise all peers are offered the same
	Late     float64 `json:"late_us"`  // 99th percentile of how late the generator was, which is part of each latency

	Result
}

// RunOpen offers s.Rate calls per second to s.Callers callers.
func RunOpen(ctx context.Context, s Spec, t Timing) (Open, error) {
	r, client, err := runCalls(ctx, s, t, "")
	return Open{View: "open", Offered: s.Rate, Late: micros(client.Late), Result: r}, err
}
