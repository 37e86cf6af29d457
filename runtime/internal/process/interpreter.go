package process

// What else the kernel runs with a program: the interpreter of a script, and of
// a program of shared libraries (elf(5)). One that is missing is "no such file or
// directory" of a file that is there. The program's file may be anything.

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"path"
	"runtime"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/inroot"
	"golang.org/x/sys/unix"
)

const (
	// scriptMost is as much of a script's first line as kernels read.
	scriptMost = 256
	// headMost is where a program's interpreter is looked for: linkers put it
	// right after the headers. One that is further on is not checked.
	headMost = 4096
)

// interpreterError says which one can't be run.
type interpreterError struct {
	name string
	err  error
}

func (e *interpreterError) Error() string { return fmt.Sprintf("interpreter %q: %v", e.name, e.err) }
func (e *interpreterError) Unwrap() error { return e.err }

// checkInterpreter refuses a program whose interpreter is not there. That of a
// script by way of /proc/self/exe would be our own binary (CVE-2019-5736), and
// whoever looks at the running process may come too late.
func checkInterpreter(root *inroot.Dir, p, cwd string) error {
	head, err := root.ReadHead(p, headMost)
	if err != nil {
		return err
	}
	if name := scriptInterpreter(head); name != "" {
		at := name
		if !path.IsAbs(at) {
			at = cwd + "/" + at
		}
		if err := checkExec(root, at); err != nil {
			return &interpreterError{name, err}
		}
		return nil
	}
	name := elfInterpreter(head, machines[runtime.GOOS+"/"+runtime.GOARCH])
	if !path.IsAbs(name) {
		return nil // none, or the kernel will say something
	}
	for _, prefix := range prefixes[runtime.GOOS] {
		// What is there and can't be run, the kernel judges: it may find another.
		if err = checkExec(root, prefix+name); !errors.Is(err, unix.ENOENT) && !errors.Is(err, unix.ENOTDIR) {
			return nil
		}
	}
	return &interpreterError{name, err}
}

// scriptInterpreter is the program that runs a script; empty if it is none.
func scriptInterpreter(head []byte) string {
	line, script := strings.CutPrefix(string(head[:min(len(head), scriptMost)]), "#!")
	line, _, _ = strings.Cut(line, "\n")
	words := strings.Fields(line)
	if !script || len(words) == 0 {
		return ""
	}
	return words[0]
}

// prefixes are where a kernel looks for an interpreter, the name's own last: an
// emulation has a tree of its own, in the cell's root.
var prefixes = map[string][]string{"linux": {""}, "netbsd": {"/emul/linux", "/emul/linux32", "/emul/netbsd32", ""}}

// machines are those whose programs the kernel itself runs, by elf(5)'s e_machine.
// For others somebody may have told it what runs them. NetBSD finds some of its
// 32-bit programs' interpreters under other names.
var machines = map[string][]uint16{
	"linux/amd64": {62, 3}, "linux/arm64": {183, 40}, "linux/386": {3}, "linux/arm": {40},
	"netbsd/amd64": {62}, "netbsd/arm64": {183}, "netbsd/386": {3}, "netbsd/arm": {40},
}

// elfInterpreter is what PT_INTERP of a program for one of these machines names;
// empty if it names none, or not in the part that is given.
func elfInterpreter(head []byte, machines []uint16) string {
	const (
		ident                = 16
		wide, little         = 2, 1 // e_ident[EI_CLASS], [EI_DATA]
		typeExec, typeDyn    = 2, 3
		typeAt, machineAt    = 16, 18
		segmentInterp        = 3
		mostSegments, mostIn = 64, 1024
	)
	if len(head) < ident+4 || !bytes.HasPrefix(head, []byte("\x7fELF")) || head[5] != little {
		return ""
	}
	half := func(at int) int { return int(binary.LittleEndian.Uint16(head[at:])) }
	if t := half(typeAt); t != typeExec && t != typeDyn || !slices.Contains(machines, uint16(half(machineAt))) {
		return ""
	}
	// Where the two classes have the header's fields, and a segment's.
	word, headerSize, tableAt, entryAt, countAt, offsetAt, sizeAt, least := 4, 52, 28, 42, 44, 4, 16, 32
	if head[4] == wide {
		word, headerSize, tableAt, entryAt, countAt, offsetAt, sizeAt, least = 8, 64, 32, 54, 56, 8, 32, 56
	}
	if len(head) < headerSize {
		return ""
	}
	number := func(b []byte) uint64 {
		if word == 8 {
			return binary.LittleEndian.Uint64(b)
		}
		return uint64(binary.LittleEndian.Uint32(b))
	}
	table, entry := number(head[tableAt:]), half(entryAt)
	for i := range min(half(countAt), mostSegments) {
		at := table + uint64(i*entry)
		if entry < least || at > uint64(len(head)-least) { // the first is not before the file's begin, and so none is
			return ""
		}
		s := head[at:]
		if binary.LittleEndian.Uint32(s) != segmentInterp {
			continue
		}
		offset, size := number(s[offsetAt:]), number(s[sizeAt:])
		if size > mostIn || offset > uint64(len(head)) || size > uint64(len(head))-offset {
			return ""
		}
		name, _, ended := bytes.Cut(head[offset:offset+size], []byte{0})
		if !ended { // nor has what is empty an end
			return ""
		}
		return string(name)
	}
	return ""
}
