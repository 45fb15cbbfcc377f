package server

import (
	"testing"
	"time"
)

// SetHelloGrace has Shutdown wait for d, and not for helloGrace, until the test ends: what comes in time there must not
// depend on how busy the machine is. It is called before the test's server is started.
func SetHelloGrace(t testing.TB, d time.Duration) {
	usual := helloGrace
	helloGrace = d
	t.Cleanup(func() { helloGrace = usual })
}
