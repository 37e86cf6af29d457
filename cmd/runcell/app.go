// The application: the root command, the flags that every command shares, and
// the way from an error to an exit code.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"unicode"
)

// Exit codes of runcell itself. Any other is that of a program in a container.
const (
	exitFailure = 1   // runcell could not do what was asked
	exitExec    = 255 // the same, for exec: 1 may be the program's own
)

// app holds what a command touches outside of its arguments, so that tests
// run whole command lines in one process.
type app struct {
	stdout io.Writer
	stderr io.Writer
	getenv func(string) string
	euid   int
	open   func(stateRoot string, strict bool) (engine, error)
	// reenter runs the command again in a user namespace, see rootless.go.
	reenter func(pid int) (status int, done bool, err error)

	journal journal
}

func newApp() *app {
	return &app{
		stdout: os.Stdout,
		stderr: os.Stderr,
		getenv: os.Getenv,
		euid:   os.Geteuid(),
		open:   openEngine,

		reenter: reenter,
	}
}

// main runs one command line and gives the process's exit code.
func (a *app) main(args []string) int {
	root := a.root(args)
	err := root.Run(context.Background(), args)
	if a.journal.isClosed() { // the command line did not parse: Before did not run
		err = errors.Join(err, a.openJournal(root))
	}
	return a.finish(err)
}

// finish reports an error and chooses the exit code.
func (a *app) finish(err error) int {
	var status exitStatus
	if err == nil || errors.As(err, &status) {
		a.journal.flush()
		return int(status)
	}
	text := oneLine(err.Error())
	a.journal.fail(text)
	_, _ = fmt.Fprintln(a.stderr, "runcell: "+text) // there is nowhere else to complain
	var c coded
	if errors.As(err, &c) {
		return c.code
	}
	return exitFailure
}

// exitStatus is a program's own exit status (128+n for signal n), passed on
// without a message.
type exitStatus int

func (s exitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// asStatus turns a program's status into what a command returns.
func asStatus(status int, err error) error {
	if err != nil || status == 0 {
		return err
	}
	return exitStatus(status)
}

// coded is an error that ends runcell with another code than exitFailure.
type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

// oneLine keeps a message on one line, for callers that read one, and free of
// control characters, which a name from a config file could smuggle to a
// terminal.
func oneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return '?'
		}
		return r
	}, s)
}
