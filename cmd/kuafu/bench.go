package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/kuafu-rpc/kuafu/cmd/kuafu/internal/load"
	"github.com/kuafu-rpc/kuafu/dynamic"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
)

func (a *app) benchCommand() *cobra.Command {
	var t target
	var s source
	var data input
	var asJSON bool
	var config load.Config
	cmd := &cobra.Command{
		Use:   "bench ADDRESS SERVICE.METHOD",
		Short: "Measure how fast a method answers",
		Long: `bench calls a method again and again with the same arguments, and tells how long the calls took.

Without --rate each of the -c workers sends its next call when the last one has been answered: that measures how much a
server can do. With --rate calls fall due at a steady rate, whatever the server does, and latency counts from then:
that measures how long users wait, and a server that stalls cannot hide it. Calls that were due and found no
worker free until the end are reported as unsent.`,
		Example: `  kuafu bench localhost:7000 Greeter.greet -d '{"guest": {"name": "Ada"}}' -c 64 -t 30s
  kuafu bench localhost:7000 Greeter.greet -d '{"guest": {"name": "Ada"}}' -c 512 --rate 20000 -o json`,
		Args: addressArgs(1, 1, "an address and Service.method"),
		RunE: func(cmd *cobra.Command, args []string) error {
			t.address = args[0]
			ctx, err := t.context(cmd.Context())
			if err != nil {
				return err
			}
			if asJSON {
				a.output = "json"
			}
			if err := checkLoad(&config, cmd.Flags().Changed("duration"), t.connections); err != nil {
				return err
			}
			p, err := a.prepare(ctx, &t, &s, args[1], data)
			if err != nil {
				return err
			}
			defer p.close()
			if p.method.Stream != rpc.StreamNone {
				return usagef("%s has a stream, and bench measures calls without", args[1])
			}
			return a.bench(ctx, &t, p, config)
		},
	}
	t.flags(cmd)
	s.flags(cmd)
	dataFlag(cmd, &data.data, "arguments as `JSON`; @file reads them from a file, - or @- from standard input")
	f := cmd.Flags()
	f.IntVarP(&config.Concurrency, "concurrency", "c", 100, "calls at once")
	f.Int64VarP(&config.Calls, "calls", "n", 0, "how many calls in all; 0 for as many as the time allows")
	f.DurationVarP(&config.Duration, "duration", "t", 10*time.Second, "for how long; with -n there is no limit unless this is given too")
	f.Float64Var(&config.Rate, "rate", 0, "calls a second that fall due; 0 for as many as are answered")
	f.IntVar(&t.connections, "connections", 1, "connections to the server, 1 to 64")
	f.BoolVar(&asJSON, "json", false, "the same as -o json")
	return cmd
}

func checkLoad(c *load.Config, hasDuration bool, connections int) error {
	if c.Calls > 0 && !hasDuration {
		c.Duration = 0
	}
	switch {
	case c.Concurrency < 1 || c.Concurrency > 100_000:
		return usagef("-c is %d, and can be 1 to 100000", c.Concurrency)
	case c.Calls < 0:
		return usagef("-n is %d", c.Calls)
	case c.Duration < 0 || c.Duration == 0 && c.Calls == 0:
		return usagef("-t is %v; without -n there must be an end", c.Duration)
	case !(c.Rate >= 0 && c.Rate <= 1e9):
		return usagef("--rate is %v", c.Rate)
	case connections < 1 || connections > 64:
		return usagef("--connections is %d, and can be 1 to 64", connections)
	}
	return nil
}

func (a *app) bench(ctx context.Context, t *target, p *prepared, config load.Config) error {
	config.Call = func(ctx context.Context) string {
		ctx, cancel := context.WithTimeout(ctx, t.timeout)
		defer cancel()
		return failureOf(ctx, p)
	}
	if isTerminal(a.err) {
		config.Progress = func(done int64, elapsed time.Duration) {
			fmt.Fprintf(a.err, "\r%d calls, %.0f/s ", done, float64(done)/elapsed.Seconds())
		}
	}
	r := load.Run(ctx, config)
	if config.Progress != nil {
		fmt.Fprint(a.err, "\r\x1b[K")
	}
	if err := a.printBench(p.method.FullName, config, r); err != nil {
		return err
	}
	switch failed := failures(r); {
	case failed > 0:
		return fmt.Errorf("%d of %d calls failed", failed, r.Calls)
	case r.Calls == 0:
		return errors.New("no call was made")
	}
	return nil
}

// failureOf makes one call and returns the code of its failure, or the name of the exception; "" if it succeeded.
func failureOf(ctx context.Context, p *prepared) string {
	if p.function.Oneway {
		if err := p.conn.Call(ctx, p.method, p.args, nil); err != nil {
			return rpc.CodeOf(err).String()
		}
		return ""
	}
	r := dynamic.NewResult(p.function)
	err := p.conn.Call(ctx, p.method, p.args, r)
	if err == nil {
		err = outcome(p.method, r)
	}
	var thrown *exception
	switch {
	case errors.As(err, &thrown):
		return thrown.name
	case err != nil:
		return rpc.CodeOf(err).String()
	}
	return ""
}

func failures(r *load.Report) (n int64) {
	for _, k := range r.Failures {
		n += k
	}
	return n
}

// quantiles are those that are reported.
var quantiles = []struct {
	name string
	q    float64
}{{"p50", 0.5}, {"p75", 0.75}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999}}

type jsonBench struct {
	Method      string             `json:"method"`
	Concurrency int                `json:"concurrency"`
	TargetRate  float64            `json:"target_rate,omitempty"`
	Calls       int64              `json:"calls"`
	Failures    map[string]int64   `json:"failures"`
	Unsent      int64              `json:"unsent"`
	Seconds     float64            `json:"seconds"`
	Rate        float64            `json:"rate"`
	Latency     map[string]float64 `json:"latency_us"`
}

func (a *app) printBench(method string, c load.Config, r *load.Report) error {
	rate := 0.0
	if r.Elapsed > 0 {
		rate = float64(r.Calls) / r.Elapsed.Seconds()
	}
	if a.output == "json" {
		h := &r.Latency
		latency := map[string]float64{"min": micros(h.Min()), "mean": micros(h.Mean()), "max": micros(h.Max())}
		for _, q := range quantiles {
			latency[q.name] = micros(h.Quantile(q.q))
		}
		return a.printJSON(a.out, jsonBench{
			method, c.Concurrency, c.Rate, r.Calls, r.Failures, r.Unsent, r.Elapsed.Seconds(), rate, latency,
		})
	}
	rows := [][]string{
		{"calls", fmt.Sprintf("%d in %v, %d at once", r.Calls, r.Elapsed.Round(time.Millisecond), c.Concurrency)},
		{"rate", strconv.FormatFloat(rate, 'f', 0, 64) + "/s"},
		{"failures", strconv.FormatInt(failures(r), 10)},
	}
	for _, kind := range slices.Sorted(maps.Keys(r.Failures)) {
		rows = append(rows, []string{"  " + kind, strconv.FormatInt(r.Failures[kind], 10)})
	}
	if r.Unsent > 0 {
		rows = append(rows, []string{"unsent", strconv.FormatInt(r.Unsent, 10) + ": the server, or -c, is too small for this rate"})
	}
	rows = append(rows, []string{"latency min", text(r.Latency.Min())}, []string{"  mean", text(r.Latency.Mean())})
	for _, q := range quantiles {
		rows = append(rows, []string{"  " + q.name, text(r.Latency.Quantile(q.q))})
	}
	rows = append(rows, []string{"  max", text(r.Latency.Max())})
	return a.printTable([]string{method, ""}, rows)
}

func micros(d time.Duration) float64 { return float64(d) / float64(time.Microsecond) }

// text rounds a duration to what can be read at a glance.
func text(d time.Duration) string {
	switch {
	case d >= time.Second:
		return d.Round(time.Millisecond).String()
	case d >= time.Millisecond:
		return d.Round(10 * time.Microsecond).String()
	}
	return d.Round(100 * time.Nanosecond).String()
}
