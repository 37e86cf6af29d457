package cmdline

// A program: its usage, how it ends, and how it tells an error.

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"unicode"

	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"github.com/urfave/cli/v3"
)

// exitUnread is the one that shells give a program whose output nobody reads: it
// has ended without a word, as `list | head -1` does.
const exitUnread = 128 + int(syscall.SIGPIPE)

// ExitFailure is the exit code of a command that could not do what was asked.
const ExitFailure = 1

// Program is where one run of a program writes to.
type Program struct {
	Stdout  io.Writer
	Stderr  io.Writer
	Journal Journal
}

// NewProgram writes to the standard streams. A reader who has gone ends no program
// that is in the middle of something.
func NewProgram() Program {
	return Program{Stdout: stdstream.Stream{File: os.Stdout}, Stderr: stdstream.Stream{File: os.Stderr}}
}

// Root is the root command, still without commands.
func (p *Program) Root() *cli.Command {
	return &cli.Command{
		Name:      "runcell",
		Usage:     "run OCI containers as NetBSD cells",
		Writer:    p.Stdout,
		ErrWriter: p.Stderr,
		Flags:     globalFlags(),
		Before: func(ctx context.Context, root *cli.Command) (context.Context, error) {
			if err := anywhere(root, "root", "log"); err != nil {
				return ctx, err
			}
			return ctx, p.openJournal(root)
		},
		ExitErrHandler: func(context.Context, *cli.Command, error) {}, // finish does it
	}
}

// anywhere makes the paths of flags absolute: they are handed to processes that
// are in another directory.
func anywhere(cmd *cli.Command, flags ...string) error {
	for _, name := range flags {
		path := cmd.String(name)
		if path == "" || filepath.IsAbs(path) {
			continue
		}
		abs, err := filepath.Abs(path)
		if err == nil {
			err = cmd.Set(name, abs)
		}
		if err != nil {
			return fmt.Errorf("resolve --%s %q: %w", name, path, err)
		}
	}
	return nil
}

// Run runs one command line, the program's name first, and gives the
// process's exit code.
func (p *Program) Run(root *cli.Command, args []string) int {
	err := root.Run(context.Background(), args)
	if p.Journal.isClosed() { // the command line did not parse: Before did not run
		err = errors.Join(err, p.openJournal(root))
	}
	return p.finish(err)
}

// openJournal starts logging as --log, --log-format and --debug say.
func (p *Program) openJournal(root *cli.Command) error {
	return p.Journal.open(root.String("log"), root.String("log-format"), root.Bool("debug"), p.Stderr)
}

// finish reports an error and chooses the exit code.
func (p *Program) finish(err error) int {
	var status ExitStatus
	if err == nil || errors.As(err, &status) {
		p.Journal.Flush()
		return int(status)
	}
	if stdstream.OnlyUnread(err) {
		p.Journal.Flush()
		return exitUnread
	}
	text := OneLine(err.Error())
	p.Journal.fail(text)
	_, _ = fmt.Fprintln(p.Stderr, "runcell: "+text) // there is nowhere else to complain
	var c coded
	if errors.As(err, &c) {
		return c.code
	}
	return ExitFailure
}

// ExitStatus is a program's own exit status (128+n for signal n), passed on
// without a message.
type ExitStatus int

func (s ExitStatus) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// WithCode makes err end the program with another code than ExitFailure.
func WithCode(err error, code int) error { return coded{err, code} }

type coded struct {
	error
	code int
}

func (c coded) Unwrap() error { return c.error }

// OneLine keeps a message on one line, for callers that read one, and free of
// what a process, a file or a config file could smuggle to a terminal by a name:
// control characters, and those that are not seen but turn a line's direction.
func OneLine(s string) string {
	s = strings.ReplaceAll(strings.TrimSpace(s), "\n", "; ")
	return strings.Map(func(r rune) rune {
		if !unicode.IsGraphic(r) {
			return '?'
		}
		return r
	}, s)
}
