package attack

// Attempts of a program for Linux, which the kernel emulates.

import (
	"errors"
	"fmt"
	"math/bits"
	"os"
	"syscall"

	"github.com/netbsd-cells/runcell/conformance/adversary/linux"
)

// LinuxProgram is where a cell has the program of package linux.
const LinuxProgram = "/adversary-linux"

// linuxENOSYS is Linux's number.
const linuxENOSYS = syscall.Errno(38)

// executed starts the program for Linux. A pipe holds the whole job.
func (a *attacker) executed(attempts []attempt, report int) (pid int, err error) {
	list := make([]linux.Call, len(attempts))
	for n, x := range attempts {
		list[n] = linux.Call{Number: x.number, Args: x.args}
	}
	job, err := linux.Job(a.memory.Bytes, list, bits.UintSize/8)
	if err != nil {
		return 0, err
	}
	in, out, err := os.Pipe()
	if err != nil {
		return 0, fmt.Errorf("make pipe: %w", err)
	}
	defer func() { _ = in.Close() }()
	_, err = out.Write(job)
	if err = errors.Join(err, out.Close()); err != nil {
		return 0, fmt.Errorf("write job: %w", err)
	}
	const closed = ^uintptr(0)
	files := make([]uintptr, linux.ReportFD+1)
	for n := range files {
		files[n] = closed
	}
	files[0], files[1], files[2] = 0, 1, 2
	files[linux.JobFD], files[linux.ReportFD] = in.Fd(), uintptr(report)
	pid, err = syscall.ForkExec(LinuxProgram, []string{LinuxProgram}, &syscall.ProcAttr{Files: files})
	if err != nil {
		return 0, fmt.Errorf("execute %s: %w", LinuxProgram, err)
	}
	return pid, nil
}
