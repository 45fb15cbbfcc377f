// Package cell measures one combination of peer, payload, callers and connections, in a server process and a client
// process of its own.
package cell

import (
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/peer"
)

// Spec says what to measure.
type Spec struct {
	Peer    string
	Payload string
	Callers int
	Conns   int     // connections the callers share; ignored by peers whose callers do not share
	Rate    float64 `json:",omitempty"` // calls/s of an open loop; 0 for callers that make one call after another
	Pass    int     // which of the repetitions this is, from 0
}

// Timing says how long to measure.
type Timing struct {
	Warmup  time.Duration
	Measure time.Duration
}

// Result is what was measured. Times are in microseconds unless their names say otherwise.
type Result struct {
	View    string    `json:"view"` // "calls"
	Peer    string    `json:"peer"`
	Title   string    `json:"title"`
	Kind    peer.Kind `json:"kind"`
	Base    bool      `json:"base"`
	Payload string    `json:"payload"`
	Callers int       `json:"callers"`
	Conns   int       `json:"conns"`
	Pass    int       `json:"pass"`

	Seconds float64 `json:"seconds"`
	Calls   uint64  `json:"calls"`
	Rate    float64 `json:"calls_per_s"`
	P50     float64 `json:"p50_us"`
	P99     float64 `json:"p99_us"`
	P999    float64 `json:"p999_us"`

	ClientCPU    float64 `json:"client_cpu_us"` // per call, user and system
	ServerCPU    float64 `json:"server_cpu_us"`
	ClientAllocs float64 `json:"client_allocs"` // per call
	ServerAllocs float64 `json:"server_allocs"`
	ClientBytes  float64 `json:"client_alloc_bytes"` // per call
	ServerBytes  float64 `json:"server_alloc_bytes"`

	Noise
}

// CPU returns the processor time of a call at both ends, in microseconds.
func (r Result) CPU() float64 { return r.ClientCPU + r.ServerCPU }

// Noise is what else ran while something was measured.
type Noise struct {
	Other float64 `json:"other_cores"` // cores that other processes kept busy
	Steal float64 `json:"steal_cores"` // cores that the hypervisor took
}

// Disturbed reports whether so much else ran that the result says little.
func (n Noise) Disturbed() bool { return n.Other > 0.35 || n.Steal > 0.40 }
