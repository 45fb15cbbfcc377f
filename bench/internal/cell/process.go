package cell

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"time"
)

// process is a child process as its parent sees it.
type process struct {
	name     string
	cmd      *exec.Cmd
	stdin    io.WriteCloser
	requests *json.Encoder
	replies  *json.Decoder
	pipe     *os.File
}

// spawn runs this program again as a child, and returns with the child's first reply. The child is killed when ctx
// ends.
func spawn(ctx context.Context, arg string, r role) (*process, reply, error) {
	config, err := json.Marshal(r)
	if err != nil {
		return nil, reply{}, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, reply{}, err
	}
	out, in, err := os.Pipe()
	if err != nil {
		return nil, reply{}, err
	}
	p := &process{name: arg, cmd: exec.CommandContext(ctx, self, arg, string(config)), pipe: out}
	p.cmd.Stdout, p.cmd.Stderr = os.Stderr, os.Stderr
	p.cmd.Env = append(os.Environ(), "GNET_LOGGING_LEVEL=1") // warnings; below that it announces every start
	p.cmd.ExtraFiles = []*os.File{in}                        // descriptor 3, repliesFD
	p.cmd.WaitDelay = time.Second
	if p.stdin, err = p.cmd.StdinPipe(); err != nil {
		return nil, reply{}, errors.Join(err, in.Close(), out.Close())
	}
	err = p.cmd.Start()
	in.Close() // the child's copy is then the only one, so that reading ends when the child does
	if err != nil {
		return nil, reply{}, errors.Join(err, out.Close())
	}
	p.requests, p.replies = json.NewEncoder(p.stdin), json.NewDecoder(out)
	ready, err := p.read()
	if err != nil {
		p.close()
		return nil, reply{}, err
	}
	return p, ready, nil
}

// ask sends a request and waits for its answer.
func (p *process) ask(q request) (reply, error) {
	if err := p.requests.Encode(q); err != nil {
		return reply{}, fmt.Errorf("%s: %w", p.name, err)
	}
	return p.read()
}

func (p *process) read() (a reply, err error) {
	if err := p.replies.Decode(&a); err != nil {
		return a, fmt.Errorf("%s has ended: %w", p.name, err)
	}
	if a.Error != "" {
		return a, fmt.Errorf("%s: %s", p.name, a.Error)
	}
	return a, nil
}

// close ends the child and waits for that. How it ends does not matter: it has answered all it was asked.
func (p *process) close() {
	p.stdin.Close()
	p.pipe.Close()
	p.cmd.Process.Kill()
	p.cmd.Wait()
}
