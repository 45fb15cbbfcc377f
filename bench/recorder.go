package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/kuafu-rpc/kuafu/bench/internal/report"
)

// recorder is where results go: each as a line of JSON to a file, tables to standard output.
type recorder struct {
	lines  *json.Encoder
	file   *os.File // nil if there is none
	begun  bool     // the environment has been written
	failed int      // cells
}

func newRecorder(name string) (*recorder, error) {
	if name == "" {
		return &recorder{lines: json.NewEncoder(io.Discard)}, nil
	}
	f, err := os.Create(name)
	if err != nil {
		return nil, err
	}
	return &recorder{lines: json.NewEncoder(f), file: f}, nil
}

// begin writes what the machine is, once.
func (r *recorder) begin() error {
	if r.begun {
		return nil
	}
	r.begun = true
	e := report.Here()
	return errors.Join(r.lines.Encode(e), e.Write(os.Stdout))
}

// close returns an error if a cell has failed.
func (r *recorder) close() error {
	var err error
	if r.failed > 0 {
		err = fmt.Errorf("%d cells failed", r.failed)
	}
	if r.file != nil {
		err = errors.Join(err, r.file.Close())
	}
	return err
}

// turns runs every cell once, then every cell again, so that what changes on the machine meets all alike. A cell that
// fails is named on standard error and left out.
func turns[C fmt.Stringer, R any](ctx context.Context, r *recorder, passes int, cells []C,
	run func(c C, pass int) (R, error)) (results []R, err error) {
	if err := r.begin(); err != nil {
		return nil, err
	}
	for pass := range passes {
		for _, c := range cells {
			result, err := run(c, pass)
			if ctx.Err() != nil {
				return results, ctx.Err()
			}
			if err != nil {
				r.failed++
				fmt.Fprintf(os.Stderr, "bench: %v: %v\n", c, err)
				continue
			}
			results = append(results, result)
			if err := r.lines.Encode(result); err != nil {
				return results, err
			}
		}
	}
	return results, nil
}
