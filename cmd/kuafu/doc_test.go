package main

import (
	"flag"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the outputs in docs/kuafu-command.md")

const (
	root = "../.."
	page = "docs/kuafu-command.md"
)

var (
	console = regexp.MustCompile("(?ms)^```console\n(.*?)^```$")
	shell   = regexp.MustCompile("(?ms)^```sh\n(.*?)^```$")
)

// TestDocumentation runs every command of the page, in its order and against one server for each address. In console blocks the output
// is compared, errors included; in sh blocks, whose output differs each time, the exit status must be 0.
func TestDocumentation(t *testing.T) {
	t.Chdir(root)
	t.Setenv(envUser, "")
	hello := serve(t, sights)
	streams, _ := serveStreams(t)
	addresses := strings.NewReplacer("localhost:7000", hello, "localhost:7001", streams)
	before, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	commands := 0
	execute := func(line string) (output string) {
		commands++
		line, echo := strings.CutSuffix(line, "; echo $?")
		words := split(t, line)
		if words[0] != "kuafu" {
			t.Fatalf("%s: not this command", line)
		}
		for i := range words {
			words[i] = addresses.Replace(words[i])
		}
		status, stdout, stderr := kuafu(t, "", words[1:]...)
		if echo {
			return stdout + stderr + fmt.Sprintln(status)
		}
		if status != 0 {
			t.Errorf("%s: exit status %d\n%s", line, status, stderr)
		}
		return stdout + stderr
	}
	after := console.ReplaceAllStringFunc(string(before), func(block string) string {
		var b strings.Builder
		b.WriteString("```console\n")
		for line := range strings.Lines(block) {
			if command, ok := strings.CutPrefix(line, "$ "); ok {
				b.WriteString(line + execute(strings.TrimSpace(command)))
			}
		}
		return b.String() + "```"
	})
	for _, block := range shell.FindAllStringSubmatch(after, -1) {
		for line := range strings.Lines(block[1]) {
			if strings.HasPrefix(line, "kuafu bench") { // others are for the reader's machine
				execute(strings.TrimSpace(line))
			}
		}
	}
	if commands < 20 {
		t.Errorf("only %d commands were found", commands)
	}
	if *update {
		if err := os.WriteFile(page, []byte(after), 0o666); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(before), after); diff != "" {
		t.Errorf("go test ./cmd/kuafu -update rewrites the outputs:\n%s", diff)
	}
}

// split cuts a command line into words as a shell does, as far as the page needs it.
func split(t *testing.T, line string) []string {
	t.Helper()
	var words []string
	for line = strings.TrimSpace(line); line != ""; line = strings.TrimSpace(line) {
		var word string
		if rest, ok := strings.CutPrefix(line, "'"); ok {
			if word, line, ok = strings.Cut(rest, "'"); !ok {
				t.Fatalf("unclosed quote: %s", rest)
			}
		} else {
			word, line, _ = strings.Cut(line, " ")
		}
		words = append(words, word)
	}
	return words
}
