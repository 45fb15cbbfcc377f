package observe

import "time"

// Snapshot is what a server looks like at one moment, for people and for gauges. Its JSON form is what the admin address
// serves.
type Snapshot struct {
	Time      time.Time `json:"time"`
	State     string    `json:"state"` // "new", "serving", "draining" or "closed"
	Addresses []string  `json:"addresses"`
	Services  []string  `json:"services"`

	Calls  Calls            `json:"calls"`
	Conns  Conns            `json:"connections"`
	Limits map[string]int64 `json:"limits"` // in force, by name; the unit is at the end of a name that needs one
}

// Calls are the calls of a server at one moment.
type Calls struct {
	Queued   int `json:"queued"`    // waiting for a worker
	Running  int `json:"running"`   // with a worker
	Deferred int `json:"deferred"`  // returned by their implementations, to be answered later
	InFlight int `json:"in_flight"` // all that were read and not answered, those that wait behind others included
}

// Conns are the connections of a server at one moment, and what became of earlier ones.
type Conns struct {
	Open             int    `json:"open"`
	Accepted         uint64 `json:"accepted"`          // since the server began
	Refused          uint64 `json:"refused"`           // at once, because of a limit or for want of descriptors
	FailedHandshakes uint64 `json:"failed_handshakes"` // of TLS
	SlowConsumers    uint64 `json:"slow_consumers"`    // cut off

	List []Conn `json:"list"` // in no order; no more than were asked for
}

// Conn is one connection of a server.
type Conn struct {
	Network  string        `json:"network"`
	Peer     string        `json:"peer"` // the address; "" for most Unix sockets
	UID      int           `json:"uid"`  // -1 if unknown; likewise PID
	PID      int           `json:"pid"`
	Identity string        `json:"identity"`     // "kind:name", or "anonymous"
	Protocol string        `json:"protocol"`     // "native", "thrift", or "unknown" as long as too little has come
	Age      time.Duration `json:"age_ns"`       // since it was accepted
	InFlight int           `json:"in_flight"`    // calls that were read and not answered
	BytesIn  int           `json:"bytes_held"`   // of those calls' arguments
	BytesOut int           `json:"bytes_unsent"` // of replies
}

// Source makes snapshots; *server.Server is one.
type Source interface {
	// Snapshot lists at most conns connections; all are counted.
	Snapshot(conns int) Snapshot
}
