package cmdline

// The log: where errors, warnings and debug messages go.
//
// podman reads the log of a failed command as one JSON object, containerd
// takes the last error in it. So what is logged on the way is held back until
// the command's outcome is known: on success it is appended as it is, on
// failure it becomes the field "warnings" of the one error object. With
// --debug, and while `run` waits for its container, entries are written as
// they come.
//
// Without --log, warnings go to standard error only when that is a terminal:
// otherwise it belongs to the container's output. `runcell explain` and the
// container's state keep them in any case. What the specification wants to be
// logged, the failure of a hook whose failure changes nothing, goes there too.

import (
	"fmt"
	"io"
	stdlog "log"
	"os"
	"slices"
	"strings"
	"sync"

	"github.com/containerd/log"
	"github.com/netbsd-cells/runcell/kmod/stdstream"
	"golang.org/x/term"
)

// Journal is the formatter behind containerd/log: it sees every entry and
// decides when it is written.
type Journal struct {
	mu     sync.Mutex
	out    io.Writer // nil until open
	file   *os.File  // --log
	json   bool
	debug  bool
	quiet  bool // without --log: drop what is not asked for
	twice  bool // --log is standard error's file
	direct bool // write at once
	format interface {
		Format(*log.Entry) ([]byte, error)
	}
	held []entry
}

type entry struct {
	line []byte
	text string
}

func (j *Journal) isClosed() bool { return j.out == nil }

// open prepares logging. It leaves the journal usable on standard error when
// it fails.
func (j *Journal) open(path, format string, debug bool, stderr io.Writer) error {
	level := log.InfoLevel
	if debug {
		level = log.DebugLevel
	}
	log.L.Logger.SetLevel(level)
	j.out, j.debug, j.direct, j.quiet = stderr, debug, true, !debug && !IsTerminal(stderr)
	if j.quiet && path == "" {
		log.L.Logger.SetLevel(log.WarnLevel) // nothing would come of the others
	}
	defer func() {
		log.L.Logger.SetOutput(lossy{j.out})
		log.L.Logger.SetFormatter(j)
		stdlog.SetFlags(0)
		stdlog.SetOutput(standardLog{})
	}()
	if err := log.SetFormat(log.OutputFormat(format)); err != nil {
		return fmt.Errorf("--log-format %q: use text or json", format)
	}
	j.json, j.format = format == string(log.JSONFormat), log.L.Logger.Formatter
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	j.file, j.out, j.direct, j.quiet, j.twice = f, f, debug, false, sameFile(f, stderr)
	return nil
}

func sameFile(f *os.File, w io.Writer) bool {
	other, ok := stdstream.File(w)
	if !ok {
		return false
	}
	a, err := f.Stat()
	b, oerr := other.Stat()
	return err == nil && oerr == nil && os.SameFile(a, b)
}

// Format gives the bytes to write now, or none.
func (j *Journal) Format(e *log.Entry) ([]byte, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	switch {
	case j.file == nil && (j.quiet && !mustTell(e) || e.Level > log.WarnLevel && !j.debug):
		return nil, nil
	case j.file == nil:
		return []byte("runcell: " + e.Level.String() + ": " + OneLine(e.Message) + fields(e.Data) + "\n"), nil
	}
	line, err := j.format.Format(e)
	if err != nil || j.direct {
		return line, err
	}
	j.held = append(j.held, entry{slices.Clone(line), e.Message + fields(e.Data)})
	return nil, nil
}

// lossy keeps to itself what could not be written: the library would complain on
// standard error, which is the container's, or is not read, and would be our end.
type lossy struct{ io.Writer }

func (l lossy) Write(b []byte) (int, error) {
	_, _ = l.Writer.Write(b)
	return len(b), nil
}

// standardLog takes what libraries say by the standard logger, past us: net/http
// prints there what a server sends out of turn.
type standardLog struct{}

func (standardLog) Write(b []byte) (int, error) {
	log.L.Debug(strings.TrimSpace(string(b)))
	return len(b), nil
}

// mustTell tells whether an entry is about a hook that failed.
func mustTell(e *log.Entry) bool { return e.Data["hook"] != nil }

// fields prints an entry's values after its message, in a fixed order.
func fields(data log.Fields) string {
	var list []string
	for k, v := range data {
		list = append(list, OneLine(fmt.Sprintf(" %s=%v", k, v)))
	}
	slices.Sort(list)
	s := ""
	for _, f := range list {
		s += " " + f
	}
	return s
}

// Flush writes what was held back, and holds nothing back from here on.
func (j *Journal) Flush() {
	j.mu.Lock()
	defer j.mu.Unlock()
	for _, e := range j.held {
		_, _ = j.file.Write(e.line) // a full disk must not fail a command that succeeded
	}
	j.held, j.direct = nil, true
}

// Divert has what is said from here on go to w, until back is called: the file of
// --log may be one that is moved away, and w knows. Without --log it does nothing.
func (j *Journal) Divert(w io.Writer) (back func()) {
	if j.file == nil {
		return func() {}
	}
	log.L.Logger.SetOutput(lossy{w})
	return func() { log.L.Logger.SetOutput(lossy{j.out}) }
}

// fail writes the error that ends the command to the log, if there is one.
func (j *Journal) fail(text string) {
	if j.file == nil {
		return
	}
	if j.twice && !j.json { // it is told there anyway
		j.Flush()
		return
	}
	out := log.L
	if j.json && len(j.held) > 0 {
		var warnings []string
		for _, e := range j.held {
			warnings = append(warnings, e.text)
		}
		out = out.WithField("warnings", warnings)
		j.held = nil
	}
	j.Flush()
	out.Error(text)
}

// Close closes the log file, if there is one. It is for tests: a process ends
// with its journal open.
func (j *Journal) Close() error {
	if j.file == nil {
		return nil
	}
	return j.file.Close()
}

// IsTerminal tells whether v is a file that is a terminal.
func IsTerminal(v any) bool {
	w, _ := v.(io.Writer)
	f, ok := stdstream.File(w)
	return ok && term.IsTerminal(int(f.Fd()))
}
