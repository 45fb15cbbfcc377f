package faults

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"
)

var long = flag.Bool("faults.long", false, "run everything for longer")

// childEnv has the configuration of a server that runs in this binary, in place of tests.
const childEnv = "KUAFU_FAULTS_SERVER"

func TestMain(m *testing.M) {
	if c := os.Getenv(childEnv); c != "" {
		if err := serve(c); err != nil {
			fmt.Fprintln(os.Stderr, "server:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// soon is how long anything may take that does not depend on a timeout. It is long: the machine may be busy.
const soon = 30 * time.Second
