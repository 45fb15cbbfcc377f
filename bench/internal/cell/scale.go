package cell

import (
	"context"
	"fmt"
)

// Axis is what grows in a Scale.
type Axis string

const (
	Callers     Axis = "callers"
	Connections Axis = "connections"
	Payload     Axis = "payload" // bytes
	Methods     Axis = "methods" // of Kuafu's service
)

// Scale is a Result at one point of an axis.
type Scale struct {
	View string `json:"view"` // "scale"
	Axis Axis   `json:"axis"`
	At   int    `json:"at"`

	Result
}

// RunScale measures calls of 1 KiB, by one caller where the payload grows and otherwise by 100, on one connection, with
// all but axis like that.
func RunScale(ctx context.Context, peer string, axis Axis, at, pass int, t Timing) (Scale, error) {
	s := Spec{Peer: peer, Payload: "1k", Callers: 100, Conns: 1, Pass: pass}
	switch axis {
	case Callers:
		s.Callers = at
	case Connections:
		s.Conns = at
	case Payload:
		s.Callers, s.Payload = 1, fmt.Sprintf("%dB", at)
	case Methods:
		s.Peer = fmt.Sprintf("kuafu-methods-%d", at)
	default:
		return Scale{}, fmt.Errorf("there is no axis %q", axis)
	}
	r, err := Run(ctx, s, t, "")
	return Scale{View: "scale", Axis: axis, At: at, Result: r}, err
}
