package report

import (
	"fmt"
	"io"
	"os"
	"runtime"
	"runtime/debug"
	"slices"
	"strings"
	"time"
)

// Environment is what a result depends on besides the code.
type Environment struct {
	Date      string   `json:"date"`
	Go        string   `json:"go"`
	System    string   `json:"system"`
	Processor string   `json:"processor"`
	Cores     int      `json:"cores"`
	Versions  []string `json:"versions"` // module and version of each peer
}

// peers are the modules whose versions a reader has to know.
var peers = []string{
	"connectrpc.com/connect", "github.com/apache/thrift", "github.com/cloudwego/kitex", "github.com/panjf2000/gnet/v2",
	"github.com/planetscale/vtprotobuf", "google.golang.org/grpc", "google.golang.org/protobuf", "storj.io/drpc",
}

// Here returns this machine's Environment.
func Here() Environment {
	e := Environment{
		Date: time.Now().UTC().Format(time.DateOnly), Go: runtime.Version(), System: runtime.GOOS + "/" + runtime.GOARCH,
		Processor: field("/proc/cpuinfo", "model name"), Cores: runtime.NumCPU(),
	}
	if release, err := os.ReadFile("/proc/sys/kernel/osrelease"); err == nil {
		e.System += " " + strings.TrimSpace(string(release))
	}
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return e
	}
	for _, m := range info.Deps {
		if slices.Contains(peers, m.Path) {
			e.Versions = append(e.Versions, m.Path+" "+m.Version)
		}
	}
	return e
}

// field returns the value of the first line "name : value" of a file.
func field(file, name string) string {
	b, err := os.ReadFile(file)
	if err != nil {
		return "unknown"
	}
	for line := range strings.Lines(string(b)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "unknown"
}

// Write prints e as the head of a report.
func (e Environment) Write(w io.Writer) error {
	_, err := fmt.Fprintf(w, "%s; %s, %s; %s, %d cores.\n%s.\n\n",
		e.Date, e.Go, e.System, e.Processor, e.Cores, strings.Join(e.Versions, ", "))
	return err
}
