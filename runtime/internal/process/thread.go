package process

// Threads and children that are not made by os/exec.

import (
	"errors"
	"fmt"
	"io"
	"os"
	goruntime "runtime"
	"unsafe"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/stage"
)

// OnThread runs f on a thread of its own that ends with it: f changes the
// thread's namespaces and root.
func OnThread(f func() error) error {
	done := make(chan error, 1)
	go func() {
		goruntime.LockOSThread() // never unlocked
		done <- f()
	}()
	return <-done
}

// EnterCell joins the calling thread to a cell that is there already and
// opens the cell's root.
func EnterCell(entry kmod.Entry, root string) (*inroot.Dir, error) {
	GroupsSettable() // looks at /proc, which the cell may not have
	if err := entry.Thread(); err != nil {
		return nil, fmt.Errorf("enter cell: %w", err)
	}
	return inroot.Open(root)
}

// StartProgram forks prog and waits until it has exec'ed or failed. It must
// be called on the thread that the child is to come from.
func StartProgram(prog *stage.Program) (*Child, error) {
	r, w, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer func() { _ = r.Close() }()
	prog.Report[0] = int(w.Fd())
	pid, err := prog.Start()
	_ = w.Close()
	if err != nil {
		return nil, err
	}
	proc := &Child{Pid: pid}
	var b [stage.RecordSize]byte
	_, err = io.ReadFull(r, b[:])
	if errors.Is(err, io.EOF) {
		return proc, nil // exec closed the pipe
	}
	if err == nil {
		var rec stage.Record
		if rec, err = stage.ParseRecord(b[:]); err == nil {
			err = rec.Err(prog.Names())
		}
	}
	_, _ = proc.Wait()
	return nil, err
}

// AddressOf is where a heap object lies, for a step that loads from it; the
// step's Keep must hold the object.
func AddressOf[T any](p *T) uintptr { return uintptr(unsafe.Pointer(p)) }
