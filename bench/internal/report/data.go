package report

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"

	"github.com/kuafu-rpc/kuafu/bench/internal/cell"
)

// Data is what a file of results has.
type Data struct {
	Environment Environment
	Calls       []cell.Result
	Open        []cell.Open
	Transfers   []cell.Transfer
	Beside      []cell.Beside
	Stuck       []cell.Stuck
	Scale       []cell.Scale
	Idle        []cell.Idle
}

// maxLine bounds a line of a file.
const maxLine = 1 << 20

// Add reads a file of results, a JSON object on each line: the environment first, then results of any views. Of several
// files, the environment must be the same but for the date.
func (d *Data) Add(r io.Reader) error {
	lines := bufio.NewScanner(r)
	lines.Buffer(nil, maxLine)
	for n := 1; lines.Scan(); n++ {
		if err := d.addLine(lines.Bytes()); err != nil {
			return fmt.Errorf("line %d: %w", n, err)
		}
	}
	return lines.Err()
}

func (d *Data) addLine(line []byte) error {
	var kind struct{ View string }
	if err := json.Unmarshal(line, &kind); err != nil {
		return err
	}
	switch kind.View {
	case "":
		return d.addEnvironment(line)
	case "calls":
		return add(&d.Calls, line)
	case "open":
		return add(&d.Open, line)
	case "stream":
		return add(&d.Transfers, line)
	case "beside":
		return add(&d.Beside, line)
	case "stuck":
		return add(&d.Stuck, line)
	case "scale":
		return add(&d.Scale, line)
	case "idle":
		return add(&d.Idle, line)
	}
	return fmt.Errorf("there is no view %q", kind.View)
}

func (d *Data) addEnvironment(line []byte) error {
	var e Environment
	if err := json.Unmarshal(line, &e); err != nil {
		return err
	}
	if e.Go == "" {
		return fmt.Errorf("neither a result nor an environment")
	}
	if d.Environment.Go == "" {
		d.Environment = e
		return nil
	}
	if a, b := fmt.Sprint(e.withoutDate()), fmt.Sprint(d.Environment.withoutDate()); a != b {
		return fmt.Errorf("results of %s do not go with those of %s", a, b)
	}
	return nil
}

func (e Environment) withoutDate() Environment {
	e.Date = ""
	return e
}

func add[R any](results *[]R, line []byte) error {
	var r R
	if err := json.Unmarshal(line, &r); err != nil {
		return err
	}
	*results = append(*results, r)
	return nil
}
