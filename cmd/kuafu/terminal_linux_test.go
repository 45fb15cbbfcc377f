package main

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/kuafu-rpc/kuafu/runtime/auth"
)

// terminal returns both ends of a pseudo-terminal: what a user types and sees, and what a program reads and writes. Where
// there are none the test is skipped; under CI it fails.
func terminal(t *testing.T) (user, program *os.File) {
	t.Helper()
	missing := func(err error) {
		t.Helper()
		if os.Getenv("CI") != "" {
			t.Fatalf("no pseudo-terminals here: %v", err)
		}
		t.Skipf("no pseudo-terminals here: %v", err)
	}
	user, err := os.OpenFile("/dev/ptmx", os.O_RDWR, 0)
	if err != nil {
		missing(err)
	}
	t.Cleanup(func() { user.Close() })
	var n int
	err = control(user, func(fd int) (err error) {
		if err = unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err == nil {
			n, err = unix.IoctlGetInt(fd, unix.TIOCGPTN)
		}
		return err
	})
	if err != nil {
		missing(err)
	}
	if program, err = os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0); err != nil {
		missing(err)
	}
	t.Cleanup(func() { program.Close() })
	return user, program
}

// control runs f on a file's descriptor.
func control(f *os.File, use func(fd int) error) error {
	conn, err := f.SyscallConn()
	if err != nil {
		return err
	}
	var failed error
	err = conn.Control(func(fd uintptr) { failed = use(int(fd)) })
	if err != nil {
		return err
	}
	return failed
}

// readUntil reads what the terminal shows until it ends in what is wanted.
func readUntil(t *testing.T, f *os.File, want string) string {
	t.Helper()
	var seen []byte
	for b := make([]byte, 1); !bytes.HasSuffix(seen, []byte(want)); {
		if _, err := f.Read(b); err != nil {
			t.Fatalf("%v after %q, which lacks %q", err, seen, want)
		}
		seen = append(seen, b...)
	}
	return string(seen)
}

func echoes(t *testing.T, f *os.File) bool {
	t.Helper()
	var state *unix.Termios
	err := control(f, func(fd int) (err error) {
		state, err = unix.IoctlGetTermios(fd, unix.TCGETS)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return state.Lflag&unix.ECHO != 0
}

// onTerminal starts the command on a terminal that is its controlling one. Standard output is a pipe, as in a script that
// asks.
func onTerminal(t *testing.T, args ...string) (user *os.File, out io.Reader, end func() int) {
	t.Helper()
	user, program := terminal(t)
	cmd := command(t, args...)
	cmd.Stdin, cmd.Stderr = program, program
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return user, out, func() int {
		_ = cmd.Wait() // an exit status other than 0 is an error
		if !echoes(t, program) {
			t.Error("the terminal shows nothing any more")
		}
		return cmd.ProcessState.ExitCode()
	}
}

// TestSecretIsNotShown types a new secret at a terminal.
func TestSecretIsNotShown(t *testing.T) {
	user, out, end := onTerminal(t, "auth", "hash-secret", "ada")
	seen := readUntil(t, user, "New secret of ada: ")
	fmt.Fprintln(user, password)
	seen += readUntil(t, user, "Once more: ")
	fmt.Fprintln(user, password)
	seen += readUntil(t, user, "\n") // the program's own line end, or what is not to be seen
	line, err := io.ReadAll(out)
	if err != nil {
		t.Fatal(err)
	}
	if status := end(); status != exitOK {
		t.Errorf("exit status %d", status)
	}
	if _, err := auth.ParseSecrets(line); err != nil {
		t.Errorf("%q: %v", line, err)
	}
	if strings.Contains(seen, "horse") {
		t.Errorf("the secret was shown: %q", seen)
	}
}

func TestSecretsThatDiffer(t *testing.T) {
	user, _, end := onTerminal(t, "auth", "hash-secret", "ada")
	readUntil(t, user, "New secret of ada: ")
	fmt.Fprintln(user, password)
	readUntil(t, user, "Once more: ")
	fmt.Fprintln(user, "another")
	readUntil(t, user, "kuafu: these were two different secrets")
	if status := end(); status != exitUsage {
		t.Errorf("exit status %d", status)
	}
}

// TestPasswordIsAskedFor: where there is a terminal and nothing else has the password. Ctrl-C leaves the terminal as it was.
func TestPasswordIsAskedFor(t *testing.T) {
	addresses := securedServers(t)
	user, out, end := onTerminal(t, "health", addresses.Replace("LOGIN"), "--user", "ada")
	readUntil(t, user, "Password of ada: ")
	fmt.Fprintln(user, password)
	seen := readUntil(t, user, "\n")
	answer, err := io.ReadAll(out)
	if status := end(); status != exitOK || string(answer) != "SERVING\n" || err != nil {
		t.Errorf("exit status %d, %q, %v", status, answer, err)
	}
	if strings.Contains(seen, "horse") {
		t.Errorf("the password was shown: %q", seen)
	}

	user, _, end = onTerminal(t, "health", addresses.Replace("LOGIN"), "--user", "ada")
	readUntil(t, user, "Password of ada: ")
	fmt.Fprint(user, "\x03")
	readUntil(t, user, "kuafu: interrupted")
	if status := end(); status != exitFailed {
		t.Errorf("interrupted: exit status %d", status)
	}
}
