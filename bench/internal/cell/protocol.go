package cell

import (
	"time"

	"github.com/kuafu-rpc/kuafu/bench/internal/stats"
)

// A child process is told what it is in one argument, reads requests as JSON lines from standard input, and answers
// each on descriptor 3, so that what a framework prints cannot get between. It ends with its input.

// role is what a child process does, as JSON in its argument.
type role struct {
	Spec    Spec
	Addr    string // the server's address; a server that finds none picks one
	Profile string // where to write a processor profile of the measured window; "" for none
}

// The things a child can be asked to do.
const (
	warm   = "warm"   // client: wait until every caller has made a call
	begin  = "begin"  // start the measured window
	end    = "end"    // end it and report
	hold   = "hold"   // client: open N connections and keep them
	file   = "file"   // client: make a file of N bytes in memory, for an upload
	carry  = "carry"  // client: carry the Transfer
	run    = "run"    // client: start the Side
	stick  = "stick"  // client: open N streams of messages of Side.Size that nobody reads
	memory = "memory" // report the resident memory, after giving free memory back if Free is set
)

type request struct {
	Do   string
	N    int  `json:",omitempty"`
	Free bool `json:",omitempty"`

	Transfer transfer `json:",omitzero"`
	Side     side     `json:",omitzero"`
}

// reply answers every request, and is sent once more when the child is ready.
type reply struct {
	Error    string  `json:",omitempty"`
	Addr     string  `json:",omitempty"` // server, when ready
	Resident int64   `json:",omitempty"` // bytes
	CPU      float64 `json:",omitempty"` // seconds used so far; with Resident
	Window   window
}

// window is what happened between begin and end.
type window struct {
	Elapsed        time.Duration
	Used           stats.Usage
	Calls          uint64 // client only, as are the quantiles
	P50, P99, P999 time.Duration
	Late           time.Duration // open loop only: the 99th percentile of how late arrivals were handed over
	Carried        int64         // bytes of the bulk stream
}
