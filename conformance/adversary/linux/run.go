package linux

// Running the programs on Linux itself, for tests.

import (
	"errors"
	"fmt"
	"os/exec"
	"syscall"
)

// qemu is Debian's qemu-user for 386.
const qemu = "/usr/bin/qemu-i386"

// Run runs cmd, a program without arguments, on Linux, and waits for it. A
// kernel for amd64 need not run programs for 386 (it is built or booted without
// IA32_EMULATION); qemu-user makes their calls there. Errors are those of
// exec.Cmd.Run, or say that there is no qemu-user.
func Run(cmd *exec.Cmd) error {
	err := cmd.Run()
	if !errors.Is(err, syscall.ENOEXEC) {
		return err
	}
	if again := under(cmd).Run(); !errors.Is(again, syscall.ENOENT) {
		return again
	}
	return fmt.Errorf("run %s, which this kernel does not: there is no %s (Debian: qemu-user): %w", cmd.Path, qemu, err)
}

// under is cmd under qemu-user.
func under(cmd *exec.Cmd) *exec.Cmd {
	again := exec.Command(qemu, cmd.Path)
	again.Env, again.Dir = cmd.Env, cmd.Dir
	again.Stdin, again.Stdout, again.Stderr, again.ExtraFiles = cmd.Stdin, cmd.Stdout, cmd.Stderr, cmd.ExtraFiles
	return again
}
