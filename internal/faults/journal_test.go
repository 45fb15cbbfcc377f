package faults

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/handler"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

// journal is a file with a line for every execution. The line is the effect of the call and its outcome in one: what has
// it was executed, and a restarted server knows how it ended. A store that was written after the effect would leave a
// moment in which a kill makes a repetition execute the call once more.
type journal struct{ file *os.File }

// line is one execution.
type line struct {
	client rpc.ClientID
	number uint64
	method string
	id     int64
	pid    int64
	at     time.Time
}

func openJournal(path string) (*journal, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return nil, err
	}
	return &journal{f}, nil
}

// add writes a line and returns when the disk has it. One write with O_APPEND is whole or absent; the full stop at the
// end shows it, and the line feed in front keeps what was torn apart from what follows.
func (j *journal) add(c *rpc.Call, id, pid int64) error {
	_, err := fmt.Fprintf(j.file, "\n%x %d %s %d %d %d .\n", c.ClientID[:], c.Number, c.Handler.Method.FullName, id, pid, time.Now().UnixNano())
	if err != nil {
		return err
	}
	return j.file.Sync()
}

// readJournal returns the executions in the file at path, which may not exist yet.
func readJournal(path string) ([]line, error) {
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var lines []line
	for text := range bytes.Lines(b) {
		fields := strings.Fields(string(text))
		if len(fields) != 7 || fields[6] != "." {
			continue // empty, or torn
		}
		l := line{method: fields[2]}
		client, err := hex.DecodeString(fields[0])
		if err != nil || copy(l.client[:], client) != len(l.client) {
			return nil, fmt.Errorf("journal: a client id %q", fields[0])
		}
		var nanos int64
		if _, err := fmt.Sscan(strings.Join([]string{fields[1], fields[3], fields[4], fields[5]}, " "), &l.number, &l.id, &l.pid, &nanos); err != nil {
			return nil, fmt.Errorf("journal: %q: %w", text, err)
		}
		l.at = time.Unix(0, nanos)
		lines = append(lines, l)
	}
	return lines, nil
}

// Save implements handler.RetryStore. The handler has written the line already.
func (j *journal) Save(*handler.RetryEntry) error { return nil }

// Load implements handler.RetryStore.
func (j *journal) Load(restore func(*handler.RetryEntry)) error {
	lines, err := readJournal(j.file.Name())
	for _, l := range lines {
		if l.number == 0 {
			continue // of no at-most-once call
		}
		e := codec.NewEncoder(codec.Binary, nil)
		(&receipt{ID: l.id, PID: l.pid}).EncodeThrift(e)
		restore(&handler.RetryEntry{ClientID: l.client, Number: l.number, Method: l.method, Completed: l.at, Result: e.Bytes()})
	}
	return err
}

// tally compares what callers were told with what was executed.
type tally struct {
	calls, executions int
	lost              []int64 // ids of calls that succeeded and were not executed
	doubles           []int64 // ids of calls that were executed more than once
	strays            []int64 // ids that nobody called with
}

// audit returns the tally of a journal. called has every id that was used, and whether a call with it succeeded.
func audit(path string, called map[int64]bool) (tally, error) {
	lines, err := readJournal(path)
	t := tally{calls: len(called), executions: len(lines)}
	times := make(map[int64]int)
	for _, l := range lines {
		times[l.id]++
		switch _, known := called[l.id]; {
		case !known:
			t.strays = append(t.strays, l.id)
		case times[l.id] == 2:
			t.doubles = append(t.doubles, l.id)
		}
	}
	for id, succeeded := range called {
		if succeeded && times[id] == 0 {
			t.lost = append(t.lost, id)
		}
	}
	return t, err
}

func (t tally) String() string {
	return fmt.Sprintf("%d calls, %d executions: %d lost, %d executed twice, %d by nobody", t.calls, t.executions, len(t.lost), len(t.doubles), len(t.strays))
}

// clean reports whether every success is one execution, and nothing was executed twice.
func (t tally) clean() bool { return len(t.lost)+len(t.doubles)+len(t.strays) == 0 }
