package main

// Processes that go on without the command. The terminal that it was typed at is
// not theirs: they would read what is typed there later and write between it,
// and whoever has a terminal open can do more to it than that.

import (
	"fmt"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/cmd/internal/cmdline"
	"github.com/netbsd-cells/runcell/cmd/internal/supervise"
	"github.com/netbsd-cells/runcell/runtime"
	"github.com/urfave/cli/v3"
)

// logDir holds the output of root's containers, as the rc.d script has it.
const logDir = "/var/log/runcell"

// detachedLogs holds it in a state directory of one's own. No container can have
// this name.
const detachedLogs = "@logs"

// detached runs f, which starts a process, with the streams that it gets: nil =
// ours, as they are. That is what container tools see, who have pipes and files
// there. Instead of a terminal it is the null device for reading, and a log for
// writing.
func (a *app) detached(cmd *cli.Command, id string, f func(*runtime.Streams) error) error {
	var terminal [3]bool
	for i, file := range a.streams {
		terminal[i] = cmdline.IsTerminal(file)
	}
	if terminal == [3]bool{} || cmd.String("console-socket") != "" { // the process has a terminal of its own
		return f(nil)
	}
	s := &runtime.Streams{In: a.streams[0], Out: a.streams[1], Err: a.streams[2]}
	if terminal[0] {
		s.In = nil // the null device
	}
	if !terminal[1] && !terminal[2] {
		return f(s)
	}
	log, made, err := a.outputLog(cmd, id)
	if err != nil {
		return err
	}
	defer func() { _ = log.Close() }()
	if terminal[1] {
		s.Out = log
	}
	if terminal[2] {
		s.Err = log
	}
	if err := f(s); err != nil {
		if made {
			_ = removeEmpty(log) // the error that counts is the other one
		}
		return err
	}
	fmt.Fprintf(a.Stderr, "runcell: what %s prints goes to %s\n", id, log.Name())
	return nil
}

// outputLog opens the file that a container's output is appended to, and tells
// whether it made it.
func (a *app) outputLog(cmd *cli.Command, id string) (f *os.File, made bool, err error) {
	if err := runtime.ValidateID(id); err != nil {
		return nil, false, err
	}
	dir := logDir
	if a.euid != 0 || cmd.Root().IsSet("root") {
		state, err := a.stateDir(cmd.Root())
		if err != nil {
			return nil, false, err
		}
		dir = filepath.Join(state, detachedLogs)
	}
	const wayOut = "(or give the command a standard output of its own)"
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, false, fmt.Errorf("make a place for the output: %w %s", err, wayOut)
	}
	if f, made, err = supervise.Append(filepath.Join(dir, id+".log")); err != nil {
		return nil, false, fmt.Errorf("open the log of the output: %w %s", err, wayOut)
	}
	return f, made, nil
}

// removeEmpty takes a log back that nothing was written to, if it is still there.
func removeEmpty(log *os.File) error {
	ours, err := log.Stat()
	if err != nil || ours.Size() > 0 {
		return err
	}
	if there, err := os.Lstat(log.Name()); err != nil || !os.SameFile(ours, there) {
		return err
	}
	return os.Remove(log.Name())
}
