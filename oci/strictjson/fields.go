package strictjson

// Struct fields by their JSON names.

import (
	"reflect"
	"strings"
	"sync"
)

// Field is a struct field that has a JSON name.
type Field struct {
	Name  string
	Type  reflect.Type
	index []int

	omitEmpty, omitZero bool
}

// In gives the field's value in struct v.
func (f *Field) In(v reflect.Value) reflect.Value {
	for _, i := range f.index {
		v = v.Field(i)
	}
	return v
}

// known keeps what Fields has found out: reflection on types is slow. A
// sync.Map would cost a process that decodes one document more than it saves.
var known struct {
	sync.Mutex
	types map[reflect.Type][]Field
}

// Fields lists the fields of struct type t that have a JSON name, embedded
// structs flattened. There are at most 64: the decoder counts the ones it has
// seen in one word.
func Fields(t reflect.Type) []Field {
	known.Lock()
	defer known.Unlock()
	return fields(t)
}

func fields(t reflect.Type) []Field {
	if f, ok := known.types[t]; ok {
		return f
	}
	list := make([]Field, 0, t.NumField())
	for i := range t.NumField() {
		sf := t.Field(i)
		tag, tagged := sf.Tag.Lookup("json")
		if sf.Anonymous && !tagged && sf.Type.Kind() == reflect.Struct {
			for _, inner := range fields(sf.Type) {
				inner.index = append([]int{i}, inner.index...)
				list = append(list, inner)
			}
			continue
		}
		name, options, _ := strings.Cut(tag, ",")
		if name == "" {
			name = sf.Name
		}
		if sf.IsExported() && name != "-" {
			list = append(list, Field{
				Name: name, Type: sf.Type, index: sf.Index,
				omitEmpty: options == "omitempty", omitZero: options == "omitzero",
			})
		}
	}
	if len(list) > 64 {
		panic("strictjson: " + t.String() + " has more than 64 fields")
	}
	if known.types == nil {
		known.types = make(map[reflect.Type][]Field, 32)
	}
	known.types[t] = list
	return list
}
