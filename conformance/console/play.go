package console

// Playing a session as in one shell: where it stands and its variables go on
// from one command to the next.

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
)

// Shell is what a session is typed into.
type Shell struct {
	Command []string // the shell, and what it takes before a script: {"/bin/sh", "-c"}
	Dir     string   // where the first command is typed
	State   string   // a directory for what goes on; the commands don't see it
	Env     []string
	Before  string // a script before each command, such as functions
}

// script runs a command and keeps its variables (all are exported) and directory.
const script = `if [ -f "%[1]s/env" ]; then . "%[1]s/env"; cd "$(cat "%[1]s/dir")"; fi
set -a
%[3]s
%[2]s
status=$?
pwd >"%[1]s/dir"; export -p >"%[1]s/env"
exit $status
`

// Type runs a command and gives what the screen shows, and the exit status.
// Input is at its end; both outputs go to a file, which a program in the
// background can keep.
func (s *Shell) Type(command string) (lines []string, code int, err error) {
	out, err := os.CreateTemp(s.State, "screen.")
	if err != nil {
		return nil, 0, fmt.Errorf("make screen: %w", err)
	}
	defer func() { err = errors.Join(err, out.Close(), os.Remove(out.Name())) }()
	cmd := exec.Command(s.Command[0], append(s.Command[1:len(s.Command):len(s.Command)], fmt.Sprintf(script, s.State, command, s.Before))...)
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = s.Dir, s.Env, out, out
	var status *exec.ExitError
	if err = cmd.Run(); err != nil && !errors.As(err, &status) {
		return nil, 0, fmt.Errorf("run shell: %w", err)
	}
	b, err := os.ReadFile(out.Name())
	if err != nil {
		return nil, 0, fmt.Errorf("read screen: %w", err)
	}
	return Screen(string(bytes.ToValidUTF8(b, []byte("?")))), cmd.ProcessState.ExitCode(), nil
}

// Play types a step; the error says what it shows instead of what it must.
func (s *Shell) Play(step *Step) (lines []string, err error) {
	lines, code, err := s.Type(step.Command)
	if err == nil && (code != step.Exit || !Matches(step.Want, lines)) {
		err = fmt.Errorf("line %d: it shows %q and exits with %d; want %q and %d", step.Line, lines, code, step.Want, step.Exit)
	}
	return lines, err
}
