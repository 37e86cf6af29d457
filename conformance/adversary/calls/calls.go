// Package calls is what the adversary tries, as data: every number that a
// kernel's tables can have, and the arguments that it is tried with. It makes
// no call.
package calls

import (
	"bufio"
	"embed"
	"fmt"
	"slices"
	"strconv"
	"strings"
)

// Numbers is how many system calls a table of the kernel has room for: it takes
// a number modulo this one (SYS_NSYSENT, also of its emulations).
const Numbers = 512

// Targets of a vector.
const (
	Machine = "-"       // nobody: the caller itself, or the machine
	Process = "process" // each of Processes
)

// Processes are those that a cell must not reach, as an outcome names them.
var Processes = []string{"victim", Init, "neighbour"}

// Vector is one way to make a call.
type Vector struct {
	Target  string
	Args    []Arg
	General bool // every call is tried with it
}

// String is the vector as its table has it.
func (v *Vector) String() string {
	words := []string{v.Target}
	for i := range v.Args {
		words = append(words, v.Args[i].word)
	}
	return strings.Join(words, " ")
}

// Init is the process whose number is so many other things: its negative is no
// group, but all processes.
const Init = "init"

// At tells whether the vector makes sense at a process.
func (v *Vector) At(process string) bool {
	return process != Init || !v.General && !slices.ContainsFunc(v.Args, func(a Arg) bool { return a.negates() })
}

// Call is a system call and how it is tried.
type Call struct {
	Number  uintptr
	Name    string
	Vectors []Vector
	// Returns: its result is an errno, and 0 is success.
	Returns bool
}

//go:embed *.txt
var tables embed.FS

// returns are the calls whose result is an errno.
var returns = []string{"posix_spawn", "posix_fallocate", "clock_nanosleep", "__posix_fadvise50"}

// otherNumbers are the calls that would take a process for something else that
// a number can be: that of a call, which is tried by itself, or flags, some of
// which make an object or a process.
var otherNumbers = []string{"syscall", "__syscall", "msgget", "semget", "shmget", "clone", "__clone", "personality"}

// Table gives every call of a system: netbsd, linux_amd64 or linux_386.
func Table(system string) ([]Call, error) {
	list := make([]Call, Numbers)
	for n := range list {
		list[n] = Call{Number: uintptr(n), Name: "number" + strconv.Itoa(n)}
	}
	err := lines(system+".txt", func(f []string) error {
		n, err := strconv.Atoi(f[0])
		if err != nil || n < 0 || n >= Numbers || len(f) != 2 {
			return fmt.Errorf("%q is no number and name", f)
		}
		list[n].Name = f[1]
		return nil
	})
	if err != nil {
		return nil, err
	}
	kind, _, _ := strings.Cut(system, "_")
	general, special, err := vectors("vectors", "vectors_"+kind, "vectors_"+system)
	if err != nil {
		return nil, err
	}
	for n := range list {
		c := &list[n]
		c.Vectors = slices.Concat(general, special[c.Name])
		if slices.Contains(otherNumbers, c.Name) {
			c.Vectors = slices.DeleteFunc(c.Vectors, func(v Vector) bool { return v.General && v.Target == Process })
		}
		c.Returns = slices.Contains(returns, c.Name)
		delete(special, c.Name)
	}
	for name := range special {
		return nil, fmt.Errorf("read vectors of %s: there is no call %s", kind, name)
	}
	return list, nil
}

// vectors reads tables of them: for every call, and for some by name. A system
// of one port has no table of its own.
func vectors(tables ...string) (general []Vector, special map[string][]Vector, err error) {
	special = map[string][]Vector{}
	slices.Sort(tables)
	for _, name := range slices.Compact(tables) {
		err := lines(name+".txt", func(f []string) error {
			v, err := parseVector(f[1:])
			if err != nil {
				return err
			}
			if v.General = f[0] == "*"; v.General {
				general = append(general, v)
			} else {
				special[f[0]] = append(special[f[0]], v)
			}
			return nil
		})
		if err != nil {
			return nil, nil, err
		}
	}
	return general, special, nil
}

// maxArgs is how many arguments the machine passes without its stack.
const maxArgs = 6

func parseVector(f []string) (Vector, error) {
	if len(f) < 1 || len(f) > 1+maxArgs {
		return Vector{}, fmt.Errorf("%q: want a target and at most %d arguments", f, maxArgs)
	}
	v := Vector{Target: f[0]}
	for _, s := range f[1:] {
		a, err := ParseArg(s)
		if err != nil {
			return Vector{}, err
		}
		v.Args = append(v.Args, a)
	}
	return v, nil
}

// lines gives the words of each line of a table that is not a comment.
func lines(table string, each func([]string) error) error {
	f, err := tables.Open(table)
	if err != nil {
		return fmt.Errorf("open table: %w", err)
	}
	defer func() { _ = f.Close() }()
	s := bufio.NewScanner(f)
	for n := 1; s.Scan(); n++ {
		words, _, _ := strings.Cut(s.Text(), "#")
		if fields := strings.Fields(words); len(fields) > 0 {
			if len(fields) < 2 {
				return fmt.Errorf("read table: %s:%d: one word only", table, n)
			}
			if err := each(fields); err != nil {
				return fmt.Errorf("read table: %s:%d: %w", table, n, err)
			}
		}
	}
	return s.Err()
}
