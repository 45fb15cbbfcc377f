package main

import (
	"bufio"
	"context"
	"errors"
	"io"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/kuafu-rpc/kuafu/examples/stream/files"
	"github.com/kuafu-rpc/kuafu/runtime/codec"
	"github.com/kuafu-rpc/kuafu/runtime/rpc"
	"github.com/kuafu-rpc/kuafu/runtime/server"
	"github.com/kuafu-rpc/kuafu/service/health"
)

// store implements files.Files, more strictly than the example does.
type store struct {
	mu    sync.Mutex
	files map[string][][]byte
	ended chan error // what Chat's context said in the end
}

func (s *store) Upload(ctx context.Context, name string, pieces rpc.RecvStream[[]byte]) (size int64, err error) {
	if name == "" {
		return 0, rpc.NewError(rpc.InvalidArgument, "a file has a name") // without a look at the pieces
	}
	var file [][]byte
	for {
		piece, err := pieces.Recv(ctx)
		if err == io.EOF {
			break
		}
		if err != nil {
			return 0, err
		}
		size += int64(len(piece))
		file = append(file, piece)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[name] = file
	return size, nil
}

func (s *store) Download(ctx context.Context, name string, out rpc.SendStream[[]byte]) error {
	s.mu.Lock()
	file, ok := s.files[name]
	s.mu.Unlock()
	if !ok {
		return &files.NotFound{Name: name}
	}
	for _, piece := range file {
		if err := out.Send(ctx, piece); err != nil {
			return err
		}
	}
	return nil
}

// Chat answers each line, until it hears "enough".
func (s *store) Chat(ctx context.Context, lines rpc.RecvStream[string], out rpc.SendStream[string]) error {
	for {
		line, err := lines.Recv(ctx)
		switch {
		case err == io.EOF:
			return out.Send(ctx, "goodbye")
		case err != nil:
			s.ended <- err
			return err
		case line == "enough":
			return rpc.NewError(rpc.Aborted, "it is enough")
		}
		if err := out.Send(ctx, line+"? tell me more"); err != nil {
			return err
		}
	}
}

// mirror is a service that sends back what it gets, whatever it is. No code is generated for it.
func mirror() *rpc.Service {
	const source = `
enum Color { RED = 1 }
struct Point { 1: required i32 x, 2: i32 y = 7, 3: optional Color color }
service Mirror { stream<Point> points(1: stream<Point> v), stream<list<i64>> lists(1: stream<list<i64>> v),
  stream<Color> colors(1: stream<Color> v) }`
	s := &rpc.Service{Name: "Mirror", File: &rpc.IDLFile{Path: "m/mirror.idl", Source: source}}
	for _, name := range []string{"points", "lists", "colors"} {
		s.Handlers = append(s.Handlers, rpc.Handler{
			Method:  &rpc.Method{Service: "Mirror", Name: name, FullName: "Mirror." + name, Stream: rpc.StreamBoth},
			NewArgs: func() codec.Decodable { return new(nothing) },
			Open: func(ctx context.Context, _ codec.Decodable, s rpc.Stream) (codec.Encodable, error) {
				for {
					b, err := s.RecvBytes(ctx)
					if err == io.EOF {
						return new(void), nil
					}
					if err != nil {
						return nil, err
					}
					if err := s.SendBytes(ctx, b); err != nil {
						return nil, err
					}
				}
			},
		})
	}
	return s
}

// void is the result of a method without one.
type void struct{}

func (*void) EncodeThrift(e *codec.Encoder) { e.EndStruct(e.BeginStruct()) }

func serveStreams(t *testing.T) (string, *store) {
	t.Helper()
	s := &store{files: make(map[string][][]byte), ended: make(chan error, 8)}
	return serve(t, func(srv *server.Server) []*rpc.Service {
		return append(sights(srv), files.NewFilesService(s), mirror())
	}), s
}

// TestStreamCalls: what goes in and what comes out, line by line, in the order of the table.
func TestStreamCalls(t *testing.T) {
	address, _ := serveStreams(t)
	idl, err := os.ReadFile(root + "/examples/stream/stream.idl")
	if err != nil {
		t.Fatal(err)
	}
	t.Chdir(t.TempDir())
	for name, content := range map[string]string{
		"stream.idl": string(idl), "pieces.jsonl": "\"AAEC\"\n\n  \"/w==\"  \n", "args.json": `{"name": "b"}`, "bad.jsonl": "\"AAEC\"\n{}\n",
	} {
		if err := os.WriteFile(name, []byte(content), 0o666); err != nil {
			t.Fatal(err)
		}
	}
	for _, test := range []struct {
		line, stdin    string
		status         int
		stdout, stderr string
	}{
		{"Files.upload --args {\"name\":\"a\"} -d @pieces.jsonl", "", 0, "4\n", ""},
		{"Files.upload --args @args.json", `"AAEC"`, 0, "3\n", ""},
		{"Files.upload --args @args.json -d -", "", 0, "0\n", ""},
		{"Files.upload --args @args.json -d @-", "\"AAEC\"\r\n", 0, "3\n", ""},
		{"Files.upload --args - -d \"AAEC\"", `{"name": "c"}`, 0, "3\n", ""},
		{"Files.upload --idl stream.idl --args {\"name\":\"d\"} -d \"AAEC\"", "", 0, "3\n", ""},
		{"Files.download -d {\"name\":\"a\"}", "", 0, "\"AAEC\"\n\"/w==\"\n", ""},
		{"Files.download -d {\"name\":\"a\"} -o json", "", 0, "\"AAEC\"\n\"/w==\"\n", ""},
		{"Files.chat", "\"one\"\n\"two\"\n", 0, "\"one? tell me more\"\n\"two? tell me more\"\n\"goodbye\"\n", ""},
		{"Files.chat", "", 0, "\"goodbye\"\n", ""},
		{"Mirror.points", "{\"x\":1}\n{\"x\":2,\"y\":3,\"color\":\"RED\"}", 0, "{\"x\":1}\n{\"x\":2,\"y\":3,\"color\":\"RED\"}\n", ""},
		{"Mirror.lists", "[1,2]\n[]", 0, "[1,2]\n[]\n", ""},
		{"Mirror.colors", "\"RED\"\n7", 0, "\"RED\"\n7\n", ""},

		{"Files.download -d {\"name\":\"x\"}", "", exitFailed, "", "kuafu: Files.download: exception NotFound: {\"name\":\"x\"} (executed)\n"},
		{"Files.chat", "\"one\"\n\"enough\"\n\"two\"\n", exitFailed, "\"one? tell me more\"\n", "kuafu: Files.chat: aborted: it is enough (executed)\n"},
		{"Files.upload -d \"AAEC\"", "", exitFailed, "", "kuafu: Files.upload: invalid_argument: a file has a name (executed)\n"},

		{"Files.upload --args {\"name\":\"e\"} -d @bad.jsonl", "", exitUsage, "", "kuafu: line 2: message: want a string in base64, found an object\n"},
		{"Files.upload --args {\"nmae\":\"e\"} -d @bad.jsonl", "", exitUsage, "", "kuafu: args.nmae: no such field; did you mean name?\n"},
		{"Files.upload --args {\"name\":\"e\"} -d @missing", "", exitUsage, "", "kuafu: open missing: no such file or directory\n"},
		{"Files.upload --args - -d -", "", exitUsage, "", "kuafu: standard input cannot be both the arguments and the messages\n"},
		{"Mirror.points", "{\"y\":1}\n", exitUsage, "", "kuafu: line 1: message.x: required field is missing\n"},
		{"Mirror.points", "{\"x\":1\n", exitUsage, "", "kuafu: line 1: column 7: unexpected end\n"},
		{"Greeter.count --args {\"name\":\"e\"}", "", exitUsage, "", "kuafu: count takes no stream: its arguments are those of -d\n"},
		{"Files.chat --idl stream.idl --thrift framed", "", exitUsage, "", "kuafu: Files.chat has a stream, which stock Thrift servers do not know\n"},
	} {
		args := strings.Fields(test.line)
		status, stdout, stderr := kuafu(t, test.stdin, append([]string{"call", address}, args...)...)
		if status != test.status || stdout != test.stdout || stderr != test.stderr {
			t.Errorf("%s < %q\nexit status %d, want %d\nstdout %q, want %q\nstderr %q, want %q",
				test.line, test.stdin, status, test.status, stdout, test.stdout, stderr, test.stderr)
		}
	}
	if status, _, stderr := kuafu(t, "", "bench", address, "Files.chat", "-n", "1"); status != exitUsage || !strings.Contains(stderr, "bench measures calls without") {
		t.Errorf("bench: exit status %d, %s", status, stderr)
	}
}

// session is a command that runs, with pipes in place of a terminal.
type session struct {
	in     *io.PipeWriter
	out    *bufio.Reader
	err    *strings.Builder // to be read after done
	cancel context.CancelFunc
	done   chan int // its exit status
}

func begin(t *testing.T, args ...string) *session {
	t.Helper()
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	ctx, cancel := context.WithCancel(t.Context())
	s := &session{inW, bufio.NewReader(outR), new(strings.Builder), cancel, make(chan int, 1)}
	go func() {
		status := run(ctx, args, inR, outW, s.err)
		outW.Close()
		s.done <- status
	}()
	t.Cleanup(func() {
		cancel()
		inW.Close()
		outR.Close()
	})
	return s
}

func (s *session) say(t *testing.T, line string) {
	t.Helper()
	if _, err := io.WriteString(s.in, line+"\n"); err != nil {
		t.Fatal(err)
	}
}

func (s *session) hear(t *testing.T, want string) {
	t.Helper()
	if line, err := s.out.ReadString('\n'); err != nil || line != want+"\n" {
		t.Fatalf("got %q, %v, want %q", line, err, want)
	}
}

func (s *session) end(t *testing.T, status int, stderr string) {
	t.Helper()
	rest, _ := io.ReadAll(s.out)
	if got := <-s.done; got != status || s.err.String() != stderr || len(rest) > 0 {
		t.Errorf("exit status %d, want %d, stderr %q, want %q, and on standard output %q", got, status, s.err, stderr, rest)
	}
}

// TestStreamDialogue: each message leaves when its line is complete, and each answer is shown before the next one comes.
func TestStreamDialogue(t *testing.T) {
	address, _ := serveStreams(t)
	s := begin(t, "call", address, "Files.chat")
	for _, line := range []string{"one", "two", "three"} {
		s.say(t, `"`+line+`"`)
		s.hear(t, `"`+line+`? tell me more"`)
	}
	s.in.Close() // Ctrl-D
	s.hear(t, `"goodbye"`)
	s.end(t, exitOK, "")
}

// TestStreamInterrupted: Ctrl-C cancels the call, and the server notices.
func TestStreamInterrupted(t *testing.T) {
	address, store := serveStreams(t)
	s := begin(t, "call", address, "Files.chat")
	s.say(t, `"one"`)
	s.hear(t, `"one? tell me more"`)
	s.cancel()
	s.end(t, exitFailed, "kuafu: interrupted\n")
	if err := <-store.ended; rpc.CodeOf(err) != rpc.Canceled {
		t.Errorf("the server sees %v", err)
	}
}

// TestStreamEndedByServer: the command does not wait for more input when the call is over.
func TestStreamEndedByServer(t *testing.T) {
	address, _ := serveStreams(t)
	s := begin(t, "call", address, "Files.chat")
	s.say(t, `"enough"`)
	s.end(t, exitFailed, "kuafu: Files.chat: aborted: it is enough (executed)\n")

	s = begin(t, "call", address, "Files.upload") // without a name
	s.end(t, exitFailed, "kuafu: Files.upload: invalid_argument: a file has a name (executed)\n")
}

// TestStreamTimeout: a stream may take as long as it likes, unless the user says otherwise.
func TestStreamTimeout(t *testing.T) {
	address, _ := serveStreams(t)
	s := begin(t, "call", address, "Files.chat", "--timeout", "50ms")
	rest, _ := io.ReadAll(s.out)
	if status := <-s.done; status != exitFailed || len(rest) > 0 || !strings.Contains(s.err.String(), "deadline_exceeded") {
		t.Errorf("exit status %d, %s%s", status, rest, s.err)
	}
}

// TestStreamFullDisk: an answer that cannot be printed ends the call.
func TestStreamFullDisk(t *testing.T) {
	address, store := serveStreams(t)
	var stderr strings.Builder
	open, hold := io.Pipe()
	defer hold.Close()
	in := io.MultiReader(strings.NewReader("\"one\"\n"), open)
	status := run(t.Context(), []string{"call", address, "Files.chat"}, in, full{errors.New("no space left")}, &stderr)
	if status != exitFailed || stderr.String() != "kuafu: no space left\n" {
		t.Errorf("exit status %d, %s", status, stderr.String())
	}
	if err := <-store.ended; rpc.CodeOf(err) != rpc.Canceled {
		t.Errorf("the server sees %v", err)
	}
}

// full is a disk without room.
type full struct{ err error }

func (f full) Write([]byte) (int, error) { return 0, f.err }

// TestHealthWatch: a line for each status.
func TestHealthWatch(t *testing.T) {
	status := new(health.Reporter)
	status.Set("Greeter", health.StatusServing)
	srv := server.New()
	if err := srv.Register(health.NewService(status)); err != nil {
		t.Fatal(err)
	}
	address, err := srv.Listen("tcp://127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	served := make(chan error, 1)
	go func() { served <- srv.Serve() }()

	greeter, all := begin(t, "health", address, "Greeter", "--watch", "-o", "json"), begin(t, "health", address, "-w")
	const timeout = time.Second
	started := time.Now()
	unknown := begin(t, "health", address, "Nobody", "-w", "--timeout", timeout.String()) // which limits only the connecting
	greeter.hear(t, `{"service":"Greeter","status":"SERVING"}`)
	all.hear(t, "SERVING")
	unknown.hear(t, "UNKNOWN")
	status.Set("Greeter", health.StatusNotServing)
	greeter.hear(t, `{"service":"Greeter","status":"NOT_SERVING"}`)
	status.Set("Greeter", health.StatusServing)
	greeter.hear(t, `{"service":"Greeter","status":"SERVING"}`)
	greeter.cancel()
	greeter.end(t, exitOK, "")
	time.Sleep(time.Until(started.Add(timeout * 3 / 2))) // the watch has to outlive what --timeout says
	unknown.cancel()
	unknown.end(t, exitFailed, "kuafu: service Nobody is UNKNOWN\n")

	if err := srv.Shutdown(t.Context()); err != nil {
		t.Error(err)
	}
	<-served
	all.hear(t, "NOT_SERVING")
	all.end(t, exitFailed, "kuafu: Health.watch: unavailable: the server is shutting down (executed)\n")

	if got, _, stderr := kuafu(t, "", "health", serve(t, nil), "--watch"); got != exitFailed || !strings.Contains(stderr, "register health.NewService") {
		t.Errorf("without a health service: exit status %d, %s", got, stderr)
	}
	if got, _, stderr := kuafu(t, "", "health", address, "--watch", "--thrift", "framed"); got != exitUsage || !strings.Contains(stderr, "know no streams") {
		t.Errorf("a stock Thrift server: exit status %d, %s", got, stderr)
	}
}
