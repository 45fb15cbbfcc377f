package listener

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
)

func mustListen(t *testing.T, path string) net.Listener {
	t.Helper()
	ln, err := Listen("unix://"+path, ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { ln.Close() })
	return ln
}

func canDial(path string) bool {
	nc, err := net.Dial("unix", path)
	if err == nil {
		nc.Close()
	}
	return err == nil
}

func entries(t *testing.T, dir string) (names []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		names = append(names, e.Name())
	}
	return names
}

func TestListenTCP(t *testing.T) {
	addresses := []string{"tcp://127.0.0.1:0", "tcp://localhost:0", "tcp://:0"}
	if six, err := net.Listen("tcp6", "[::1]:0"); err == nil { // where there is IPv6
		six.Close()
		addresses = append(addresses, "tcp://[::1]:0")
	}
	for _, address := range addresses {
		ln, err := Listen(address, ListenOptions{})
		if err != nil {
			t.Fatal(err)
		}
		nc, err := net.Dial("tcp", ln.Addr().String())
		if err != nil {
			t.Errorf("%s: %v", address, err)
		} else {
			nc.Close()
		}
		_, err = Listen("tcp://"+ln.Addr().String(), ListenOptions{})
		if !errors.Is(err, syscall.EADDRINUSE) {
			t.Errorf("a second %s: %v, want address in use", address, err)
		}
		ln.Close()
	}
	if _, err := Listen("localhost:80", ListenOptions{}); err == nil {
		t.Error("an address without a scheme works")
	}
}

func TestListenUnix(t *testing.T) {
	old := syscall.Umask(0) // the mode may not depend on it
	defer syscall.Umask(old)
	for _, tt := range []struct{ mode, want fs.FileMode }{{0, 0o660}, {0o600, 0o600}, {0o666, 0o666}} {
		for _, mask := range []int{0, 0o077} {
			syscall.Umask(mask)
			dir := t.TempDir()
			path := filepath.Join(dir, "s")
			ln, err := Listen("unix://"+path, ListenOptions{Mode: tt.mode})
			if err != nil {
				t.Fatal(err)
			}
			info, err := os.Stat(path)
			if err != nil || info.Mode().Perm() != tt.want {
				t.Errorf("mode %o with umask %o: %v, %v, want %o", tt.mode, mask, info.Mode(), err, tt.want)
			}
			if ln.Addr().String() != path || ln.Addr().Network() != "unix" {
				t.Errorf("address %v, want %s", ln.Addr(), path)
			}
			if names := entries(t, dir); len(names) != 1 {
				t.Errorf("left behind: %q", names)
			}
			if !canDial(path) {
				t.Error("cannot connect")
			}
			if err := ln.Close(); err != nil {
				t.Error(err)
			}
			if names := entries(t, dir); len(names) != 0 {
				t.Errorf("Close leaves %q", names)
			}
		}
	}
}

func TestListenUnixRelative(t *testing.T) {
	t.Chdir(t.TempDir())
	ln, err := Listen("unix://s", ListenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !canDial("s") {
		t.Error("cannot connect")
	}
	here, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	ln.Close()
	if names := entries(t, here); len(names) != 0 {
		t.Errorf("Close after a change of directory leaves %q", names)
	}
}

func TestListenUnixStale(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if _, err := os.Lstat(path); err != nil {
		t.Fatal("no stale file to begin with")
	}
	mustListen(t, path)
	if !canDial(path) {
		t.Error("cannot connect after the takeover")
	}
}

func TestListenUnixLive(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	mustListen(t, path)
	_, err := Listen("unix://"+path, ListenOptions{})
	if !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("a second listener: %v, want address in use", err)
	}
	if !canDial(path) {
		t.Error("the first one does not work any more")
	}
}

// TestListenUnixFullQueue probes a listener that accepts nothing and whose queue is full: it is alive all the same.
func TestListenUnixFullQueue(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer syscall.Close(fd)
	if err := syscall.Bind(fd, &syscall.SockaddrUnix{Name: path}); err != nil {
		t.Fatal(err)
	}
	if err := syscall.Listen(fd, 0); err != nil {
		t.Fatal(err)
	}
	for {
		nc, err := net.DialTimeout("unix", path, probeTimeout)
		if err != nil {
			break
		}
		defer nc.Close()
	}
	if _, err := Listen("unix://"+path, ListenOptions{}); !errors.Is(err, syscall.EADDRINUSE) {
		t.Errorf("Listen: %v, want address in use", err)
	}
}

func TestListenUnixForeignFiles(t *testing.T) {
	dir := t.TempDir()
	file, sub, link := filepath.Join(dir, "file"), filepath.Join(dir, "sub"), filepath.Join(dir, "link")
	if err := os.WriteFile(file, []byte("precious"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(sub, "deep"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(file, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{file, sub, link} {
		if _, err := Listen("unix://"+path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), "not a socket") {
			t.Errorf("%s: %v", path, err)
		}
	}
	if b, err := os.ReadFile(link); string(b) != "precious" || err != nil {
		t.Errorf("the file has become %q, %v", b, err)
	}
	if names := entries(t, dir); len(names) != 3 || len(entries(t, sub)) != 1 {
		t.Errorf("the directory has become %q", names)
	}
}

func TestListenUnixErrors(t *testing.T) {
	dir := t.TempDir()
	long := strings.Repeat("n", maxSocketPath-len(dir)) // one too many, with the slash
	for _, tt := range []struct{ path, want string }{
		{filepath.Join(dir, "missing", "s"), "does not exist"},
		{filepath.Join(dir, long), "bytes long"},
	} {
		if _, err := Listen("unix://"+tt.path, ListenOptions{}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", tt.path, err, tt.want)
		}
	}
	mustListen(t, filepath.Join(dir, long[:len(long)-1]))
}

// TestListenUnixSuccessor closes a listener whose path has another's socket by now.
func TestListenUnixSuccessor(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	first := mustListen(t, path)
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	mustListen(t, path)
	first.Close()
	first.Close()
	if !canDial(path) {
		t.Error("the first listener's end took the second one's socket away")
	}
}

// TestListenUnixRace has several takers for one stale path: exactly one may win.
func TestListenUnixRace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "s")
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	var wg sync.WaitGroup
	won := make(chan net.Listener, 8)
	for range cap(won) {
		wg.Go(func() {
			ln, err := Listen("unix://"+path, ListenOptions{})
			if err == nil {
				won <- ln
			} else if !errors.Is(err, syscall.EADDRINUSE) {
				t.Errorf("a loser gets %v", err)
			}
		})
	}
	wg.Wait()
	if len(won) != 1 {
		t.Errorf("%d listeners for one path", len(won))
	}
	for range len(won) {
		(<-won).Close()
	}
}
