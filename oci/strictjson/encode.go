package strictjson

// Marshal: the encoder that belongs to the decoder.

import (
	"encoding"
	"fmt"
	"reflect"
	"slices"
	"strconv"
	"unicode/utf8"
)

// Marshal encodes v as encoding/json does, for the types that Unmarshal takes,
// without its preparation of every reachable type (half a millisecond for a
// container's plan). Floats, byte slices and MarshalJSON methods are not
// supported; characters that matter in HTML only are not escaped.
func Marshal(v any) ([]byte, error) {
	e := &encoder{buf: make([]byte, 0, 8<<10)}
	if err := e.value(reflect.ValueOf(v)); err != nil {
		return nil, err
	}
	return e.buf, nil
}

type encoder struct{ buf []byte }

func (e *encoder) value(v reflect.Value) error {
	if v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface {
		if v.IsNil() {
			e.buf = append(e.buf, "null"...)
			return nil
		}
		return e.value(v.Elem())
	}
	if v.IsValid() && v.Type().Implements(textMarshaler) {
		text, err := v.Interface().(encoding.TextMarshaler).MarshalText()
		if err != nil {
			return fmt.Errorf("encode %s: %w", v.Type(), err)
		}
		e.string(string(text))
		return nil
	}
	switch {
	case v.Kind() == reflect.Struct:
		return e.object(v)
	case v.Kind() == reflect.Map && v.Type().Key().Kind() == reflect.String:
		return e.mapping(v)
	case v.Kind() == reflect.Slice && v.Type().Elem().Kind() != reflect.Uint8:
		return e.array(v)
	case v.Kind() == reflect.String:
		e.string(v.String())
	case v.Kind() == reflect.Bool:
		e.buf = strconv.AppendBool(e.buf, v.Bool())
	case v.CanInt():
		e.buf = strconv.AppendInt(e.buf, v.Int(), 10)
	case v.CanUint():
		e.buf = strconv.AppendUint(e.buf, v.Uint(), 10)
	default:
		return fmt.Errorf("encode JSON: no encoder for %s", v)
	}
	return nil
}

var textMarshaler = reflect.TypeFor[encoding.TextMarshaler]()

func (e *encoder) object(v reflect.Value) error {
	fields := Fields(v.Type())
	e.buf = append(e.buf, '{')
	first := true
	for i := range fields {
		f := &fields[i]
		m := f.In(v)
		if f.omitZero && m.IsZero() || f.omitEmpty && isEmpty(m) {
			continue
		}
		if !first {
			e.buf = append(e.buf, ',')
		}
		first = false
		e.string(f.Name)
		e.buf = append(e.buf, ':')
		if err := e.value(m); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

// isEmpty is encoding/json's notion of omitempty: a struct never is.
func isEmpty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Struct:
		return false
	case reflect.Map, reflect.Slice:
		return v.Len() == 0
	}
	return v.IsZero()
}

func (e *encoder) mapping(v reflect.Value) error {
	if v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	keys := make([]string, 0, v.Len())
	for _, k := range v.MapKeys() {
		keys = append(keys, k.String())
	}
	slices.Sort(keys)
	e.buf = append(e.buf, '{')
	for i, k := range keys {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		e.string(k)
		e.buf = append(e.buf, ':')
		if err := e.value(v.MapIndex(reflect.ValueOf(k).Convert(v.Type().Key()))); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, '}')
	return nil
}

func (e *encoder) array(v reflect.Value) error {
	if v.IsNil() {
		e.buf = append(e.buf, "null"...)
		return nil
	}
	e.buf = append(e.buf, '[')
	for i := range v.Len() {
		if i > 0 {
			e.buf = append(e.buf, ',')
		}
		if err := e.value(v.Index(i)); err != nil {
			return err
		}
	}
	e.buf = append(e.buf, ']')
	return nil
}

// string writes s in quotes; what is not UTF-8 becomes U+FFFD.
func (e *encoder) string(s string) {
	e.buf = append(e.buf, '"')
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '"' || c == '\\':
			e.buf = append(e.buf, '\\', c)
		case c < 0x20:
			const hex = "0123456789abcdef"
			e.buf = append(e.buf, '\\', 'u', '0', '0', hex[c>>4], hex[c&15])
		case c < utf8.RuneSelf:
			e.buf = append(e.buf, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			e.buf = utf8.AppendRune(e.buf, r)
			i += n
			continue
		}
		i++
	}
	e.buf = append(e.buf, '"')
}
