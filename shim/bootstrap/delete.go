package bootstrap

// delete: what containerd runs after a shim has ended, whatever the reason.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
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

// deleteLimit is how long delete may take: containerd gives it 5 seconds.
const deleteLimit = 4 * time.Second

// Delete removes what a container has left: its processes, cell, mounts and
// record, and the socket if nobody serves it. Nothing is fine.
func Delete(f *Flags, cells Remover, stdout io.Writer) error {
	ctx, cancel := context.WithTimeout(context.Background(), deleteLimit)
	defer cancel()
	answer := &task.DeleteResponse{ExitStatus: 128 + uint32(unix.SIGKILL)}
	if s, err := cells.State(f.ID); err == nil {
		answer.Pid = uint32(s.Pid)
	}
	if err := cells.Delete(ctx, f.ID, true); err != nil {
		return err
	}
	if err := mounts.Remove(f.Bundle); err != nil {
		return err
	}
	if err := removeSocket(ctx, f.Bundle); err != nil {
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
