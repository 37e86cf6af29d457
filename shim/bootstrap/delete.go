package bootstrap

// delete: what containerd runs after a shim has ended, whatever the reason.

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	task "github.com/containerd/containerd/api/runtime/task/v2"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/netbsd-cells/runcell/shim/mounts"
	"golang.org/x/sys/unix"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// Remover is what delete needs of package runtime.
type Remover interface {
	State(id string) (*runtime.State, error)
	Delete(ctx context.Context, id string, force bool) error
}

const (
	// deleteLimit is how long delete may take: containerd gives it 5 seconds, kills it
	// then, forgets about the container, and asks nobody again.
	deleteLimit = 4 * time.Second
	// apartLimit is how long the process may take that delete leaves behind.
	apartLimit = 2 * time.Minute
)

// Delete removes what a container has left: its processes, cell, mounts and
// record, and the socket if nobody serves it. Nothing is fine.
func Delete(f *Flags, cells Remover, stdout io.Writer) error {
	if f.Apart {
		return deleteApart(f, cells, os.Stdin, stdout)
	}
	ctx, cancel := context.WithTimeout(context.Background(), deleteLimit)
	defer cancel()
	answer := &task.DeleteResponse{ExitStatus: 128 + uint32(unix.SIGKILL)}
	s, missing := cells.State(f.ID)
	if missing == nil {
		answer.Pid = uint32(s.Pid)
	}
	// First: the bundle, which has the address, goes with containerd's patience.
	err := removeSocket(ctx, f.Bundle)
	switch {
	case err != nil:
	case errors.Is(missing, runtime.ErrNotExist): // as after each shim that has ended by itself
		err = remove(ctx, f, cells)
	default:
		err = runApart(ctx, f)
	}
	if err != nil {
		return err
	}
	answer.ExitedAt = timestamppb.Now()
	text, err := proto.Marshal(answer)
	if err != nil {
		return fmt.Errorf("write answer: %w", err)
	}
	_, err = stdout.Write(text)
	return err
}

func remove(ctx context.Context, f *Flags, cells Remover) error {
	if err := cells.Delete(ctx, f.ID, true); err != nil {
		return err
	}
	return mounts.Remove(f.Bundle)
}

// deleteApart is the process that goes on when delete is killed. Then nobody removes
// the bundle, either.
func deleteApart(f *Flags, cells Remover, stdin io.Reader, stdout io.Writer) error {
	// Nobody reads a warning then, which is no reason to end.
	signal.Notify(make(chan os.Signal, 1), syscall.SIGPIPE)
	ctx, cancel := context.WithTimeoutCause(context.Background(), apartLimit, fmt.Errorf("it takes more than %v", apartLimit))
	defer cancel()
	b, err := openBundle(f.Bundle)
	if err != nil { // the cell has to go, whatever has its bundle's place; its mounts there do not
		return errors.Join(cells.Delete(ctx, f.ID, true), err)
	}
	if b != nil {
		defer b.close()
	}
	if err := remove(ctx, f, cells); err != nil {
		return err
	}
	if hears(stdout, stdin) || b == nil {
		return nil
	}
	return b.remove()
}

// runApart has a process of its own remove the container, and waits for it while
// containerd waits for us. On a machine that is too busy it goes on: a cell whose
// container containerd has forgotten would be nobody's.
func runApart(ctx context.Context, f *Flags) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	var pipes [3][2]*os.File
	defer func() {
		for _, p := range pipes {
			_, _ = p[0].Close(), p[1].Close() // of nil, too
		}
	}()
	for i := range pipes {
		if pipes[i][0], pipes[i][1], err = os.Pipe(); err != nil {
			return fmt.Errorf("delete %q: %w", f.ID, err)
		}
	}
	in, done, said := pipes[0], pipes[1], pipes[2]
	cmd := exec.Cmd{
		Path: self, Args: []string{self, "-namespace", f.Namespace, "-id", f.ID, "-address", f.Address, "-bundle", f.Bundle, "-apart", "delete"},
		Dir: "/", Stdin: in[0], Stdout: done[1], Stderr: said[1], SysProcAttr: &syscall.SysProcAttr{Setsid: true},
	}
	if err := errors.Join(cmd.Start(), in[0].Close(), done[1].Close(), said[1].Close()); err != nil {
		return fmt.Errorf("delete %q: start process: %w", f.ID, err)
	}
	ended := make(chan error, 1)
	go func() {
		if tells(done[0], in[1]) {
			ended <- nil
			return
		}
		text, _ := io.ReadAll(said[0]) // ends with the process
		err := cmd.Wait()
		if err == nil {
			err = errors.New("it does not say that it is done")
		}
		ended <- fmt.Errorf("delete %q: %w: %s", f.ID, err, bytes.TrimSpace(text))
	}()
	select {
	case err := <-ended:
		return err
	case <-ctx.Done():
		return fmt.Errorf("delete %q: it takes more than %v, and goes on in process %d", f.ID, deleteLimit, cmd.Process.Pid)
	}
}

// removeSocket removes the socket of a bundle's shim unless that still serves
// others.
func removeSocket(ctx context.Context, bundle string) error {
	text, err := os.ReadFile(filepath.Join(bundle, AddressFile))
	path, isPath := strings.CutPrefix(string(text), "unix://")
	if err != nil || !isPath {
		return nil
	}
	unlock, err := lockSockets(ctx, filepath.Dir(path))
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	defer unlock()
	if Served(path) {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove socket: %w", err)
	}
	return nil
}
