package calls

// Arguments as words.

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"strconv"
	"strings"
)

// Arg is an argument: a number, or the address of some bytes, or of nothing
// but zeros.
type Arg struct {
	word   string
	fields []field // of an address
	str    string
	isStr  bool
}

// field is a number of some bytes.
type field struct {
	term  term
	bytes int
}

// term is a number: a constant, or something of the world, with a sign and
// something added.
type term struct {
	name  string // empty: only the constant
	minus bool
	plus  int64
}

// World has the values of the names in arguments: victim processes, objects,
// descriptors. The name @ is the process that is tried.
type World map[string]int64

// Names that every world has. Zeros is the address of zeroed memory.
const (
	Target = "@"
	Zeros  = "zeros"
)

// ParseArg reads an argument:
//
//	7 -1 0x40     a number
//	@ -@ @+0x80   the process that is tried; its negative; with a number added
//	$sock         what the world has by this name
//	zeros         the address of zeroed memory
//	"text"        the address of a string; _ is a space in it
//	[1/4,@/8,0/p] the address of numbers with so many bytes; p: as many as a pointer has
func ParseArg(s string) (Arg, error) {
	a := Arg{word: s}
	switch {
	case len(s) >= 2 && s[0] == '"' && s[len(s)-1] == '"':
		a.isStr, a.str = true, strings.ReplaceAll(s[1:len(s)-1], "_", " ")
		return a, nil
	case len(s) >= 2 && s[0] == '[' && s[len(s)-1] == ']':
		for f := range strings.SplitSeq(s[1:len(s)-1], ",") {
			number, size, _ := strings.Cut(f, "/")
			t, err := parseTerm(number)
			if err != nil {
				return Arg{}, err
			}
			n := bits.UintSize / 8
			if size != "p" {
				if n, err = strconv.Atoi(size); err != nil || n != 1 && n != 2 && n != 4 && n != 8 {
					return Arg{}, fmt.Errorf("argument %q: %q has no size", s, f)
				}
			}
			a.fields = append(a.fields, field{t, n})
		}
		return a, nil
	}
	t, err := parseTerm(s)
	a.fields = []field{{t, 0}}
	return a, err
}

func parseTerm(s string) (term, error) {
	if n, err := strconv.ParseInt(s, 0, 64); err == nil {
		return term{plus: n}, nil
	}
	t := term{}
	rest := s
	rest, t.minus = strings.CutPrefix(rest, "-")
	name, more, added := strings.Cut(rest, "+")
	if added {
		n, err := strconv.ParseInt(more, 0, 64)
		if err != nil {
			return term{}, fmt.Errorf("argument %q: %w", s, err)
		}
		t.plus = n
	}
	t.name = strings.TrimPrefix(name, "$")
	if name != Target && name != Zeros && (t.name == name || t.name == "") {
		return term{}, fmt.Errorf("argument %q: it is no number, and names nothing", s)
	}
	return t, nil
}

// negates: a group, as most calls take it.
func (a *Arg) negates() bool {
	return len(a.fields) > 0 && a.fields[0].term.minus
}

// Memory is where the bytes of arguments are laid out.
type Memory struct {
	Bytes []byte
	Base  uintptr // the address of Bytes
	Zeros uintptr // the address of memory that stays zeroed
	used  int
}

// Reset makes room again.
func (m *Memory) Reset() { m.used = 0 }

// Value gives the machine word, and lays out what it points to.
func (a *Arg) Value(w World, m *Memory) (uintptr, error) {
	if a.isStr {
		return m.put(append([]byte(a.str), 0))
	}
	if len(a.fields) == 1 && a.fields[0].bytes == 0 {
		n, err := a.fields[0].term.value(w, m)
		return uintptr(n), err
	}
	var b []byte
	for _, f := range a.fields {
		n, err := f.term.value(w, m)
		if err != nil {
			return 0, err
		}
		b = append(b, binary.NativeEndian.AppendUint64(nil, uint64(n))[:f.bytes]...)
	}
	return m.put(b)
}

func (t *term) value(w World, m *Memory) (int64, error) {
	n := t.plus
	switch {
	case t.name == Zeros:
		n += int64(m.Zeros)
	case t.name != "":
		v, ok := w[t.name]
		if !ok {
			return 0, fmt.Errorf("find %q: the world has no such thing", t.name)
		}
		if t.minus {
			v = -v
		}
		n += v
	}
	return n, nil
}

// align is that of the largest number.
const align = 8

func (m *Memory) put(b []byte) (uintptr, error) {
	if m.used+len(b) > len(m.Bytes) {
		return 0, fmt.Errorf("lay out %d bytes: %d of %d are used", len(b), m.used, len(m.Bytes))
	}
	at := m.used
	copy(m.Bytes[at:], b)
	m.used = (at + len(b) + align - 1) / align * align
	return m.Base + uintptr(at), nil
}
