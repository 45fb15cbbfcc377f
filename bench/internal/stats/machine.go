package stats

import (
	"os"
	"strconv"
	"strings"
)

// Machine is the processor time of the whole machine since it started, in seconds.
type Machine struct {
	Busy  float64 // spent by processes and the kernel
	Steal float64 // taken by the hypervisor
}

// Now returns the machine's processor time; zero where there is no /proc/stat.
func Now() Machine {
	b, err := os.ReadFile("/proc/stat")
	if err != nil {
		return Machine{}
	}
	first, _, _ := strings.Cut(string(b), "\n")
	fields := strings.Fields(first)
	if len(fields) < 9 {
		return Machine{}
	}
	// cpu user nice system idle iowait irq softirq steal, in hundredths of a second
	var v [9]float64
	for i := 1; i < len(v); i++ {
		ticks, _ := strconv.ParseFloat(fields[i], 64)
		v[i] = ticks / 100
	}
	return Machine{Busy: v[1] + v[2] + v[3] + v[6] + v[7], Steal: v[8]}
}

// Sub returns the processor time between earlier and m.
func (m Machine) Sub(earlier Machine) Machine {
	return Machine{Busy: m.Busy - earlier.Busy, Steal: m.Steal - earlier.Steal}
}
