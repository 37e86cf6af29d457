package strictjson

// The scanner: RFC 8259's grammar over a byte slice.

import (
	"bytes"
	"strconv"
	"strings"
	"unicode/utf16"
)

// peek skips white space and gives the next byte, 0 at the end.
func (d *decoder) peek() byte {
	for d.pos < len(d.data) {
		switch c := d.data[d.pos]; c {
		case ' ', '\t', '\r', '\n':
			d.pos++
		default:
			return c
		}
	}
	return 0
}

func (d *decoder) literal(word string) error {
	if !bytes.HasPrefix(d.data[d.pos:], []byte(word)) {
		return d.errorf("invalid JSON: expected %s", word)
	}
	d.pos += len(word)
	return nil
}

// expect consumes one structural byte.
func (d *decoder) expect(c byte) error {
	got := d.peek()
	if d.pos >= len(d.data) {
		return d.errorf("invalid JSON: ends where %q is expected", c)
	}
	if got != c {
		return d.errorf("invalid JSON: %q where %q is expected", got, c)
	}
	d.pos++
	return nil
}

// members walks an object; visit must consume the value of key.
func (d *decoder) members(visit func(key string) error) error {
	if d.peek() != '{' {
		return d.mismatch("an object")
	}
	d.pos++
	if d.peek() == '}' {
		d.pos++
		return nil
	}
	for {
		if d.peek() != '"' {
			return d.mismatch("a key in double quotes")
		}
		key, err := d.string()
		if err != nil {
			return err
		}
		if err := d.expect(':'); err != nil {
			return err
		}
		if err := d.push(step{key: key}); err != nil {
			return err
		}
		if err := visit(key); err != nil {
			return err
		}
		d.pop()
		if d.peek() == ',' {
			d.pos++
			continue
		}
		return d.expect('}')
	}
}

// elements walks an array; visit must consume element i.
func (d *decoder) elements(visit func(i int) error) error {
	if d.peek() != '[' {
		return d.mismatch("an array")
	}
	d.pos++
	if d.peek() == ']' {
		d.pos++
		return nil
	}
	for i := 0; ; i++ {
		if err := d.push(step{index: i, array: true}); err != nil {
			return err
		}
		if err := visit(i); err != nil {
			return err
		}
		d.pop()
		if d.peek() == ',' {
			d.pos++
			continue
		}
		return d.expect(']')
	}
}

// skip consumes a value of any kind.
func (d *decoder) skip() error {
	switch c := d.peek(); {
	case c == '{':
		return d.members(func(string) error { return d.skip() })
	case c == '[':
		return d.elements(func(int) error { return d.skip() })
	case c == '"':
		_, err := d.string()
		return err
	case c == 't':
		return d.literal("true")
	case c == 'f':
		return d.literal("false")
	case c == 'n':
		return d.literal("null")
	case c == '-', c >= '0' && c <= '9':
		_, err := d.number()
		return err
	}
	return d.mismatch("a JSON value")
}

// number consumes a number and gives its text.
func (d *decoder) number() (string, error) {
	start := d.pos
	digits := func() bool {
		from := d.pos
		for d.pos < len(d.data) && d.data[d.pos] >= '0' && d.data[d.pos] <= '9' {
			d.pos++
		}
		return d.pos > from
	}
	at := func(set string) bool {
		return d.pos < len(d.data) && strings.IndexByte(set, d.data[d.pos]) >= 0
	}
	if at("-") {
		d.pos++
	}
	ok := true
	if at("0") {
		d.pos++
	} else {
		ok = digits()
	}
	if ok && at(".") {
		d.pos++
		ok = digits()
	}
	if ok && at("eE") {
		d.pos++
		if at("+-") {
			d.pos++
		}
		ok = digits()
	}
	if !ok {
		return "", d.errorf("invalid JSON: malformed number")
	}
	return string(d.data[start:d.pos]), nil
}

// string consumes a string. NUL is refused: no path, argument or variable can
// hold one, and what is behind it would be lost in a system call.
func (d *decoder) string() (string, error) {
	d.pos++
	start := d.pos
	for ; d.pos < len(d.data); d.pos++ {
		switch c := d.data[d.pos]; {
		case c == '"':
			s := string(d.data[start:d.pos])
			d.pos++
			return s, nil
		case c == '\\':
			return d.escaped(start)
		case c < 0x20:
			return "", d.errorf("invalid JSON: control character %q in a string", c)
		}
	}
	return "", d.errorf("invalid JSON: string without an end")
}

// escaped goes on with a string whose first backslash is at d.pos.
func (d *decoder) escaped(start int) (string, error) {
	buf := append([]byte(nil), d.data[start:d.pos]...)
	for d.pos < len(d.data) {
		c := d.data[d.pos]
		switch {
		case c == '"':
			d.pos++
			return string(buf), nil
		case c < 0x20:
			return "", d.errorf("invalid JSON: control character %q in a string", c)
		case c != '\\':
			buf = append(buf, c)
			d.pos++
		default:
			r, err := d.escape()
			if err != nil {
				return "", err
			}
			buf = append(buf, string(r)...)
		}
	}
	return "", d.errorf("invalid JSON: string without an end")
}

// escape consumes one escape sequence.
func (d *decoder) escape() (rune, error) {
	if d.pos+1 >= len(d.data) {
		return 0, d.errorf("invalid JSON: string without an end")
	}
	c := d.data[d.pos+1]
	if c == 'u' {
		return d.unicode()
	}
	const from, to = `"\/bfnrt`, "\"\\/\b\f\n\r\t"
	i := strings.IndexByte(from, c)
	if i < 0 {
		return 0, d.errorf("invalid JSON: escape %q in a string", `\`+string(rune(c)))
	}
	d.pos += 2
	return rune(to[i]), nil
}

func (d *decoder) unicode() (rune, error) {
	r, ok := d.hex4()
	if utf16.IsSurrogate(r) {
		var low rune
		if low, ok = d.hex4(); ok {
			r = utf16.DecodeRune(r, low)
			ok = r != '\uFFFD'
		}
	}
	switch {
	case !ok:
		return 0, d.errorf(`invalid JSON: \u escape that is no character`)
	case r == 0:
		return 0, d.errorf("NUL byte in a string")
	}
	return r, nil
}

// hex4 consumes \uXXXX. Where there is none it gives 0.
func (d *decoder) hex4() (rune, bool) {
	if d.pos+6 > len(d.data) || d.data[d.pos] != '\\' || d.data[d.pos+1] != 'u' {
		return 0, false
	}
	n, err := strconv.ParseUint(string(d.data[d.pos+2:d.pos+6]), 16, 16)
	if err != nil {
		return 0, false
	}
	d.pos += 6
	return rune(n), true
}
