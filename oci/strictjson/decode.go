package strictjson

// Decoding: values and the paths of what was not known.

import (
	"bytes"
	"encoding"
	"errors"
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"unicode/utf8"
)

// MaxDepth is how deep objects and arrays may nest.
const MaxDepth = 64

// Error is a violation, and where it is.
type Error struct {
	Field string // "process.rlimits[2].type"; empty for the document itself
	Line  int    // counted from 1
	Msg   string
}

func (e *Error) Error() string {
	if e.Field == "" {
		return fmt.Sprintf("line %d: %s", e.Line, e.Msg)
	}
	return fmt.Sprintf("line %d: %s: %s", e.Line, e.Field, e.Msg)
}

// Unknown is a field that the document has and the type does not.
type Unknown struct {
	Field string // its path, as in Error; a name with a dot or a bracket is quoted
	Name  string // its own name, as it is
	// Struct is the type that lacks it.
	Struct reflect.Type
}

// Unmarshal decodes data, one JSON value, into the value that v points to. It
// returns the fields that v's type does not have. An *Error tells of
// syntax errors, wrong types, numbers out of range, duplicate keys, NUL bytes
// in strings, invalid UTF-8 and trailing data.
//
// Structs (with json tags, embedded ones flattened), pointers, slices, maps
// with string keys, strings, bools, integers and encoding.TextUnmarshaler are
// supported; an interface receives the JSON text of its value as a string.
// null leaves a value as it is; an object or an array takes the place of all that
// a map or a slice held.
func Unmarshal(data []byte, v any) (unknown []Unknown, err error) {
	d := &decoder{data: data}
	if !utf8.Valid(data) {
		return nil, d.errorf("not valid UTF-8")
	}
	target := reflect.ValueOf(v)
	if target.Kind() != reflect.Pointer || target.IsNil() {
		return nil, errors.New("decode JSON: target is not a pointer")
	}
	if err := d.value(target.Elem()); err != nil {
		return nil, err
	}
	if d.peek(); d.pos < len(d.data) {
		return nil, d.errorf("data after the end of the JSON value")
	}
	return d.unknown, nil
}

type decoder struct {
	data    []byte
	pos     int
	path    []step
	unknown []Unknown
}

// step is a part of the path to the value being decoded.
type step struct {
	key   string
	index int // when key is empty and inArray is set
	array bool
}

func (d *decoder) errorf(format string, a ...any) error {
	pos := min(d.pos, len(d.data))
	return &Error{
		Field: d.where(),
		Line:  1 + bytes.Count(d.data[:pos], []byte{'\n'}),
		Msg:   fmt.Sprintf(format, a...),
	}
}

func (d *decoder) where() string {
	var b strings.Builder
	for i, s := range d.path {
		switch {
		case s.array:
			b.WriteByte('[')
			b.WriteString(strconv.Itoa(s.index))
			b.WriteByte(']')
		default:
			if i > 0 {
				b.WriteByte('.')
			}
			b.WriteString(printable(s.key))
		}
	}
	return b.String()
}

// whereField is where for a field that no type has: a name such as "a.b" must not
// look like a field within another.
func (d *decoder) whereField(key string) string {
	if key != "" && !strings.ContainsAny(key, ".[]") {
		return d.where()
	}
	path := d.path
	d.path = path[:len(path)-1]
	above := d.where()
	d.path = path
	if above != "" {
		above += "."
	}
	return above + strconv.Quote(key)
}

// printable quotes a key that would confuse a terminal or a reader.
func printable(key string) string {
	for _, r := range key {
		if !strconv.IsPrint(r) || r == ' ' || r == '"' {
			return strconv.Quote(key)
		}
	}
	return key
}

func (d *decoder) push(s step) error {
	if len(d.path) >= MaxDepth {
		return d.errorf("nested deeper than %d levels", MaxDepth)
	}
	d.path = append(d.path, s)
	return nil
}

func (d *decoder) pop() { d.path = d.path[:len(d.path)-1] }

// value decodes the next value into v, which has an address, as all have that a
// pointer leads to.
func (d *decoder) value(v reflect.Value) error {
	c := d.peek()
	if c == 'n' {
		return d.literal("null")
	}
	if v.Kind() == reflect.Pointer {
		if v.IsNil() {
			v.Set(reflect.New(v.Type().Elem()))
		}
		return d.value(v.Elem())
	}
	if u, ok := v.Addr().Interface().(encoding.TextUnmarshaler); ok {
		return d.text(u)
	}
	switch v.Kind() {
	case reflect.Struct:
		return d.object(v)
	case reflect.Map:
		return d.mapping(v)
	case reflect.Slice:
		return d.array(v)
	case reflect.Interface:
		return d.any(v)
	case reflect.String:
		s, err := d.wantString()
		if err == nil {
			v.SetString(s)
		}
		return err
	case reflect.Bool:
		return d.bool(v)
	default:
		return d.integer(v)
	}
}

func (d *decoder) text(u encoding.TextUnmarshaler) error {
	s, err := d.wantString()
	if err != nil {
		return err
	}
	if err := u.UnmarshalText([]byte(s)); err != nil {
		return d.errorf("%q: %v", s, err)
	}
	return nil
}

// object decodes a JSON object into a struct.
func (d *decoder) object(v reflect.Value) error {
	fields := Fields(v.Type())
	var seen uint64
	var others map[string]bool
	return d.members(func(key string) error {
		for i := range fields {
			if fields[i].Name != key {
				continue
			}
			if seen&(1<<i) != 0 {
				return d.errorf("duplicate key")
			}
			seen |= 1 << i
			return d.value(fields[i].In(v))
		}
		if others[key] {
			return d.errorf("duplicate key")
		}
		if others == nil {
			others = make(map[string]bool)
		}
		others[key] = true
		d.unknown = append(d.unknown, Unknown{d.whereField(key), key, v.Type()})
		return d.skip()
	})
}

// mapping decodes a JSON object into a map with string keys, replacing what it
// held.
func (d *decoder) mapping(v reflect.Value) error {
	t := v.Type()
	if t.Key().Kind() != reflect.String {
		return d.errorf("no decoder for %s", t)
	}
	v.Set(reflect.MakeMap(t))
	return d.members(func(key string) error {
		k := reflect.ValueOf(key).Convert(t.Key())
		if v.MapIndex(k).IsValid() {
			return d.errorf("duplicate key")
		}
		e := reflect.New(t.Elem()).Elem()
		if err := d.value(e); err != nil {
			return err
		}
		v.SetMapIndex(k, e)
		return nil
	})
}

// array decodes a JSON array into a slice, replacing what it held.
func (d *decoder) array(v reflect.Value) error {
	v.Set(reflect.MakeSlice(v.Type(), 0, 0)) // [] is not null
	return d.elements(func(i int) error {
		if i == v.Cap() {
			v.Grow(max(4, i))
		}
		v.SetLen(i + 1)
		return d.value(v.Index(i))
	})
}

// any keeps the next value, which nobody looks into, as its JSON text.
func (d *decoder) any(v reflect.Value) error {
	start := d.pos
	if err := d.skip(); err != nil {
		return err
	}
	v.Set(reflect.ValueOf(string(d.data[start:d.pos])))
	return nil
}

func (d *decoder) bool(v reflect.Value) error {
	switch d.peek() {
	case 't':
		v.SetBool(true)
		return d.literal("true")
	case 'f':
		v.SetBool(false)
		return d.literal("false")
	}
	return d.mismatch("true or false")
}

func (d *decoder) integer(v reflect.Value) error {
	if c := d.peek(); c != '-' && (c < '0' || c > '9') {
		return d.mismatch("a number")
	}
	num, err := d.number()
	if err != nil {
		return err
	}
	bits := v.Type().Bits
	switch {
	case v.CanInt():
		n, err := strconv.ParseInt(num, 10, bits())
		if err != nil {
			return d.errorf("%s: must be a whole number of %d bits", num, bits())
		}
		v.SetInt(n)
	case v.CanUint():
		n, err := strconv.ParseUint(num, 10, bits())
		if err != nil {
			return d.errorf("%s: must be a whole number from 0, of %d bits", num, bits())
		}
		v.SetUint(n)
	default:
		return d.errorf("no decoder for %s", v.Type())
	}
	return nil
}

func (d *decoder) wantString() (string, error) {
	if d.peek() != '"' {
		return "", d.mismatch("a string")
	}
	return d.string()
}

// mismatch says that the next value is not what the field takes.
func (d *decoder) mismatch(want string) error {
	got := "the end of the data"
	switch c := d.peek(); {
	case c == '{':
		got = "an object"
	case c == '[':
		got = "an array"
	case c == '"':
		got = "a string"
	case c == 't', c == 'f':
		got = "true or false"
	case c == '-', c >= '0' && c <= '9':
		got = "a number"
	case c != 0:
		got = strconv.QuoteRune(rune(c))
	}
	return d.errorf("must be %s, is %s", want, got)
}
