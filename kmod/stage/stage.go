// Package stage runs the work between fork and exec as a program: a list of
// system calls, built as plain data by ordinary Go code and executed in the
// forked child without the Go runtime.
//
// A child that has to enter a cell, take a terminal, change its credentials
// and exec needs no second start of a Go binary for that: it costs several
// milliseconds, and the extra process image is what CVE-2019-5736 attacked.
// The program is also easy to look at: --debug prints it, tests compare it.
package stage

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"unsafe"
)

// Kind says what a Step does.
type Kind uint8

const (
	// Call makes the system call Nr with Args.
	Call Kind = iota
	// Same compares Args[2] bytes at Args[0] and Args[1]; a difference fails
	// the program with the errno Want, or EINVAL. It verifies what setrlimit(2)
	// really set.
	Same
	// Birth clones the process that goes on with the program from here, in the
	// pid namespace that setns(2) has chosen; the one that has come here ends.
	// Linux only, see BirthStep.
	Birth
)

// Source says where an argument's value comes from.
type Source uint8

const (
	// Value is the argument itself: a number, or an address kept by Keep.
	Value Source = iota
	// Reg is the result that an earlier step kept in register Args[i].
	Reg
	// Load32 is the int32 at address Args[i] (a descriptor that the kernel
	// wrote into a structure).
	Load32
)

// Registers is how many results a program can keep.
const Registers = 8

// Step is one system call of a program.
type Step struct {
	// Name is what an error report says: "setuid 1000".
	Name string
	Kind Kind
	// Nr is the system call's number.
	Nr   uintptr
	Args [6]uintptr
	From [6]Source
	// Keep holds the memory that Args point into. It must be on the heap.
	Keep []any
	// Save stores the result in this register (1 to Registers-1; 0 = not).
	Save uint8
	// Store is the address of an int32 that the result is written to as well
	// (0 = none): a descriptor that a later step sends away.
	Store uintptr
	// Exact fails the program with EPIPE when the result is not Want: a read
	// that returned 0 means that the other side has gone.
	Exact bool
	Want  uintptr
	// Tolerate lists errors that do not fail the program.
	Tolerate [3]syscall.Errno
}

// Program is what a child does from fork to exec. The last step is execve;
// a program that gets past its last step exits with ExitCode.
type Program struct {
	Fork  Fork
	Steps []Step
	place birthplace
	// Inherit is how many of the parent's descriptors, from 0 on, the program
	// that is exec'ed gets. When it is set, the child first closes all others
	// that no step works with and Report does not list. 0 closes nothing: for
	// a child that no stranger can look at.
	Inherit int
	// Report lists descriptors (0 = none) that a failure is written to, as
	// one Record. Marks are written by ordinary write steps, see Mark.
	Report [2]int
	// Tell reports the exec, too, just before it is tried: without that, who
	// sees a report end can't tell a program that runs from a child that was
	// killed on the way to it.
	Tell bool
	// ExitCode is the child's status when a step fails.
	ExitCode int
}

// RecordSize is the size of a record on a report descriptor.
const RecordSize = 8

// Record is a child's message: step Index failed with Errno, or was reached
// when Errno is 0.
type Record struct {
	Index uint32
	Errno uint32
}

// execIndex is the index in the record of a child that is about to exec.
const execIndex = ^uint32(0) - 1

// Execs says whether a record tells that the exec comes next (Program.Tell).
func (r Record) Execs() bool { return r.Index == execIndex && r.Errno == 0 }

// ErrKilled is the error of a child that ended on the way to its program, and
// of no step of its own.
var ErrKilled = errors.New("its process was killed before it could run the program, or could not report that it does")

// Outcome reads what a child that tells reported from its beginning to its end:
// nil says that it has exec'ed.
func Outcome(report []byte, names []string) error {
	told := false
	for ; len(report) >= RecordSize; report = report[RecordSize:] {
		rec, err := ParseRecord(report[:RecordSize])
		if err != nil {
			return err
		}
		if err := rec.Err(names); err != nil {
			return err
		}
		told = told || rec.Execs()
	}
	if !told {
		return ErrKilled
	}
	return nil
}

// shutIndex is the index of what comes before a program's first step.
const shutIndex = ^uint32(0)

// Error is a failed step.
type Error struct {
	Step  string
	Errno syscall.Errno
}

func (e *Error) Error() string { return e.Step + ": " + e.Errno.Error() }
func (e *Error) Unwrap() error { return e.Errno }

// ParseRecord reads one record in the host's byte order.
func ParseRecord(b []byte) (Record, error) {
	if len(b) != RecordSize {
		return Record{}, fmt.Errorf("parse stage record: %d bytes, want %d", len(b), RecordSize)
	}
	// Both ends are the same program on the same machine.
	return Record{
		Index: *(*uint32)(unsafe.Pointer(&b[0])),
		Errno: *(*uint32)(unsafe.Pointer(&b[4])),
	}, nil
}

// Names lists the steps' names, which turn a Record into an Error later.
func (p *Program) Names() []string {
	names := make([]string, len(p.Steps))
	for i, s := range p.Steps {
		names[i] = s.Name
	}
	return names
}

// Err names the step that a record is about; nil for a mark.
func (r Record) Err(names []string) error {
	if r.Errno == 0 {
		return nil
	}
	name := fmt.Sprintf("step %d", r.Index)
	if r.Index == shutIndex {
		name = "close the parent's descriptors"
	}
	if int(r.Index) < len(names) {
		name = names[r.Index]
	}
	return &Error{Step: name, Errno: syscall.Errno(r.Errno)}
}

// String lists the program, a step a line.
func (p *Program) String() string {
	var b strings.Builder
	for i, s := range p.Steps {
		fmt.Fprintf(&b, "%2d %s\n", i, s.Name)
	}
	return b.String()
}

// Mark is a step that writes "reached step index" to fd.
func Mark(name string, index int, fd int) Step {
	rec := &Record{Index: uint32(index)}
	return Step{
		Name: name, Nr: syscall.SYS_WRITE,
		Args:  [6]uintptr{uintptr(fd), uintptr(unsafe.Pointer(rec)), RecordSize},
		Keep:  []any{rec},
		Exact: true, Want: RecordSize,
	}
}

// Await is a step that blocks until a byte can be read from fd, and fails
// with EPIPE when the other side has gone.
func Await(name string, fd int) Step {
	buf := new([8]byte)
	return Step{
		Name: name, Nr: syscall.SYS_READ,
		Args:  [6]uintptr{uintptr(fd), uintptr(unsafe.Pointer(buf)), 1},
		Keep:  []any{buf},
		Exact: true, Want: 1,
	}
}

// Exec is the last step of a program. The environment is envp and the strings
// that late points to, which may be written until the step runs.
func Exec(path string, argv, envp []string, late ...*byte) (Step, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return Step{}, fmt.Errorf("exec %q: %w", path, err)
	}
	av, err := syscall.SlicePtrFromStrings(argv)
	if err != nil {
		return Step{}, fmt.Errorf("process.args: %w", err)
	}
	ev, err := syscall.SlicePtrFromStrings(envp)
	if err != nil {
		return Step{}, fmt.Errorf("process.env: %w", err)
	}
	ev = append(append(ev[:len(ev)-1], late...), nil) // it ends with a null pointer
	return Step{
		Name: "exec " + path, Nr: syscall.SYS_EXECVE,
		Args: [6]uintptr{
			uintptr(unsafe.Pointer(p)),
			uintptr(unsafe.Pointer(unsafe.SliceData(av))),
			uintptr(unsafe.Pointer(unsafe.SliceData(ev))),
		},
		Keep: []any{p, av, ev},
	}, nil
}

// Path is a system call whose first argument is a path.
func Path(name string, nr uintptr, path string, rest ...uintptr) (Step, error) {
	p, err := syscall.BytePtrFromString(path)
	if err != nil {
		return Step{}, fmt.Errorf("%s: %w", name, err)
	}
	s := Step{Name: name, Nr: nr, Keep: []any{p}}
	s.Args[0] = uintptr(unsafe.Pointer(p))
	copy(s.Args[1:], rest)
	return s, nil
}

// Sys is a system call with plain numbers.
func Sys(name string, nr uintptr, args ...uintptr) Step {
	s := Step{Name: name, Nr: nr}
	copy(s.Args[:], args)
	return s
}

// OnFD is Sys whose first argument is a descriptor of the parent's.
func OnFD(name string, nr uintptr, fd int, rest ...uintptr) Step {
	return Sys(name, nr, append([]uintptr{uintptr(fd)}, rest...)...)
}

// machine is what the child works with: everything allocated before fork.
type machine struct {
	shut   []Step // before the first step
	steps  []Step
	report [2]int
	exit   uintptr
	tell   bool // not done yet
	regs   [Registers]uintptr
	rec    Record
	child  childFork
}

// Start forks and runs the program in the child. It returns the child's pid,
// which Settle takes when the program has a Birth. The calling goroutine must
// be locked to its thread where the thread's own namespaces or credentials
// matter to the child.
func (p *Program) Start() (int, error) {
	for i, s := range p.Steps {
		if s.Save >= Registers {
			return 0, fmt.Errorf("stage step %d %q: register %d out of range", i, s.Name, s.Save)
		}
	}
	m := &machine{steps: p.Steps, report: p.Report, exit: uintptr(p.ExitCode), tell: p.Tell}
	if p.Inherit > 0 {
		kept, err := p.kept()
		if err != nil {
			return 0, err
		}
		m.shut = shutSteps(gaps(kept))
	}
	m.child.prepare(p.Fork)
	if err := p.expectBirth(m); err != nil {
		return 0, err
	}
	pid, errno := forkRun(m) // all that the child works with is reached from m until it has a copy
	if errno != 0 {
		p.forgetBirth()
		return 0, fmt.Errorf("fork: %w", errno)
	}
	return pid, nil
}
