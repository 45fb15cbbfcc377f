package main

import (
	"bytes"
	"io"
	"os"
	"os/exec"
	"testing"
)

// asCommand makes the test's binary be the command.
const asCommand = "KUAFU_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asCommand) != "" {
		main()
	}
	os.Exit(m.Run())
}

// command returns the command as a process of its own.
func command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), exe, args...)
	cmd.Env = append(os.Environ(), asCommand+"=1", envUser+"=", envPassword+"=")
	return cmd
}

// TestProcessInterrupted: a signal ends a dialogue as it should, though standard input stays open.
func TestProcessInterrupted(t *testing.T) {
	address, store := serveStreams(t)
	cmd := command(t, "call", address, "Files.chat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	defer in.Close()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := in.Write([]byte("\"one\"\n")); err != nil {
		t.Fatal(err)
	}
	answer := make([]byte, len("\"one? tell me more\"\n"))
	if _, err := io.ReadFull(out, answer); err != nil || string(answer) != "\"one? tell me more\"\n" {
		t.Fatalf("%q, %v", answer, err)
	}
	if err := cmd.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // an exit status other than 0 is an error
	if status := cmd.ProcessState.ExitCode(); status != exitFailed || stderr.String() != "kuafu: interrupted\n" {
		t.Errorf("exit status %d, %s", status, &stderr)
	}
	<-store.ended
}
