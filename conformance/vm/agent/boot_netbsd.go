package main

// Process 1: brings the system up, collects dead processes while another
// process runs the plan, and ends by a reboot, which QEMU takes for the end.

import (
	"errors"
	"fmt"
	"os"

	"github.com/netbsd-cells/runcell/conformance/vm/protocol"
	"golang.org/x/sys/unix"
)

// boot does not return.
func boot() error {
	err := errors.Join(openConsole(), bringUp())
	if err != nil {
		fmt.Fprintln(os.Stderr, "agent: set up system:", err)
	}
	if err := runAndReap(); err != nil {
		fmt.Fprintln(os.Stderr, "agent:", err)
	}
	_ = unix.Sync()
	const autoboot = 0 // RB_AUTOBOOT: it also unmounts
	_, _, errno := unix.Syscall(unix.SYS_REBOOT, autoboot, 0, 0)
	return fmt.Errorf("reboot: %w", errno)
}

// openConsole gives process 1 its standard descriptors: the kernel gives none.
func openConsole() error {
	fd, err := unix.Open("/dev/console", unix.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("open console: %w", err)
	}
	for std := range 3 {
		if err := unix.Dup2(fd, std); err != nil {
			return fmt.Errorf("use console: %w", err)
		}
	}
	return nil
}

// bringUp does everything that it can, and says what it can't.
func bringUp() error {
	var errs []error
	for _, m := range systemMounts {
		if m.on == "/" && planCutsPower() {
			m.flags |= mntLog
		}
		if err := m.mount(); err != nil {
			errs = append(errs, err)
		}
	}
	_, err := unix.Setsid()
	return errors.Join(append(errs, err, setHostname("cells"), loopbackUp())...)
}

// planCutsPower: after that only a file system with a log can be written to
// without an fsck(8), which the guest has not.
func planCutsPower() bool {
	b, err := os.ReadFile("/" + protocol.PlanPath)
	if err != nil {
		return false // who runs the plan tells
	}
	plan, err := protocol.ParsePlan(b)
	return err == nil && plan.CutsPower()
}

// runAndReap runs the plan in a child, and waits for any process whose parent
// is gone until the child ends.
func runAndReap() error {
	child, err := os.StartProcess("/sbin/init", []string{"init", "run", "/"}, &os.ProcAttr{
		Dir: "/", Env: environment, Files: []*os.File{os.Stdin, os.Stdout, os.Stderr},
	})
	if err != nil {
		return fmt.Errorf("start plan: %w", err)
	}
	for {
		var status unix.WaitStatus
		pid, err := unix.Wait4(-1, &status, 0, nil)
		switch {
		case errors.Is(err, unix.EINTR):
		case err != nil:
			return fmt.Errorf("wait for children: %w", err)
		case pid == child.Pid && status != 0:
			return fmt.Errorf("run plan: the runner ended with wait status %#x", uint32(status))
		case pid == child.Pid:
			return nil
		}
	}
}
