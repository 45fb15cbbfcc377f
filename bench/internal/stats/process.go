package stats

import (
	"bytes"
	"os"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"strconv"
	"syscall"
)

// Usage is what this process has used since it started, or between two points of time.
type Usage struct {
	CPU    float64 // seconds, user and system
	Allocs uint64  // objects on the heap
	Bytes  uint64  // bytes of those objects
}

// Used returns what this process has used so far.
func Used() (Usage, error) {
	var ru syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &ru); err != nil {
		return Usage{}, os.NewSyscallError("getrusage", err)
	}
	s := []metrics.Sample{
		{Name: "/gc/heap/allocs:objects"},
		{Name: "/gc/heap/tiny/allocs:objects"},
		{Name: "/gc/heap/allocs:bytes"},
	}
	metrics.Read(s)
	return Usage{
		CPU:    seconds(ru.Utime) + seconds(ru.Stime),
		Allocs: s[0].Value.Uint64() + s[1].Value.Uint64(),
		Bytes:  s[2].Value.Uint64(),
	}, nil
}

func seconds(t syscall.Timeval) float64 { return float64(t.Sec) + float64(t.Usec)/1e6 }

// Sub returns what was used between earlier and u.
func (u Usage) Sub(earlier Usage) Usage {
	return Usage{CPU: u.CPU - earlier.CPU, Allocs: u.Allocs - earlier.Allocs, Bytes: u.Bytes - earlier.Bytes}
}

// Resident returns this process's resident memory in bytes; 0 where there is no /proc. With free, garbage is
// collected and returned to the system first.
func Resident(free bool) int64 {
	if free {
		runtime.GC()
		debug.FreeOSMemory()
	}
	b, err := os.ReadFile("/proc/self/statm")
	if err != nil {
		return 0
	}
	fields := bytes.Fields(b)
	if len(fields) < 2 {
		return 0
	}
	pages, _ := strconv.ParseInt(string(fields[1]), 10, 64)
	return pages * int64(os.Getpagesize())
}
