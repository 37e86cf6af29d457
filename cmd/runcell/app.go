package main

// The application: what a command touches outside of its arguments.

import (
	"context"
	"io"
	"os"
	"os/exec"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/runtime"
)

// exitExec is exec's exit code for an error of runcell's own: 1 may be the
// program's.
const exitExec = 255

// app holds what a command touches outside of its arguments, so that tests
// run whole command lines in one process.
type app struct {
	cmdline.Program
	args  []string // of the process, its name first
	stdin io.Reader
	// streams are this process's, which a container's gets.
	streams [3]*os.File
	getenv  func(string) string
	now     func() time.Time
	euid    int
	etc     string // runcell/ID.cell in it declares a cell
	dataDir string // named data directories and services' roots lie below it
	open    func(stateRoot, emulate string, strict bool) (engine, error)
	embed   func() error // see runtime.Embed
	// reenter runs the command again in a user namespace, see rootless.go.
	reenter func(pid int) (status int, done bool, err error)
	// last is of a process that ends with its command, see caught.
	last bool
	// executable and become lead to the other program, see image.go.
	executable func() (string, error)
	become     func(path string, args, env []string) error
	spawn      func(ctx context.Context, cmd *exec.Cmd) error
}

func newApp() *app {
	return &app{
		Program: cmdline.NewProgram(),
		stdin:   os.Stdin,
		streams: [3]*os.File{os.Stdin, os.Stdout, os.Stderr},
		getenv:  os.Getenv,
		now:     time.Now,
		euid:    os.Geteuid(),
		etc:     "/etc",
		dataDir: cmdline.DataRoot,
		open:    openEngine,
		embed:   runtime.Embed,
		reenter: reenter,

		executable: os.Executable,
		become:     syscall.Exec,
		spawn:      spawn,
	}
}

// main runs one command line and gives the process's exit code.
func (a *app) main(args []string) int {
	a.args = args
	return a.Run(a.root(args), args)
}

// asStatus turns a program's status into what a command returns.
func asStatus(status int, err error) error {
	if err != nil || status == 0 {
		return err
	}
	return cmdline.ExitStatus(status)
}
