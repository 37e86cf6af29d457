package oci

// CompileUpdate: what `update` changes of a cell that runs.

import (
	"fmt"
	"io"
	"reflect"

	"github.com/netbsd-cells/runcell/oci/strictjson"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Update is what can change while a cell runs.
type Update struct {
	MaxProcesses *uint64 // nil = as it is; 0 = no limit
	// Lacking lists the fields, by path, that ask for limits that cells lack.
	Lacking []string
}

// LoadResources reads the object of `update --resources`, which is that of
// linux.resources. Unknown fields are given back by path, but for those that look
// like one that is known: these are errors.
func LoadResources(r io.Reader) (*specs.LinuxResources, []string, error) {
	data, err := readLimited(r)
	if err != nil {
		return nil, nil, err
	}
	res := new(specs.LinuxResources)
	unknown, err := strictjson.Unmarshal(data, res)
	if err != nil {
		return nil, nil, fmt.Errorf("load resources: %w", err)
	}
	if err := misspeltError(unknown); err != nil {
		return nil, nil, fmt.Errorf("load resources: %w", err)
	}
	var fields []string
	for _, u := range unknown {
		fields = append(fields, u.Field)
	}
	return res, fields, nil
}

// CompileUpdate maps resources onto a cell. Callers send whole objects, so
// zero is "as it is" everywhere, as runc has it.
func CompileUpdate(r *specs.LinuxResources) *Update {
	u := new(Update)
	if r.Pids != nil && r.Pids.Limit != nil && *r.Pids.Limit != 0 {
		n := uint64(max(*r.Pids.Limit, 0))
		u.MaxProcesses = &n
	}
	rest := *r
	rest.Pids = nil
	u.Lacking = setFields(nil, reflect.ValueOf(rest), "")
	return u
}

// setFields appends the paths of what is not zero.
func setFields(list []string, v reflect.Value, path string) []string {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if v.Kind() != reflect.Struct {
		if isSet(v) {
			list = append(list, path)
		}
		return list
	}
	fields := strictjson.Fields(v.Type())
	for i := range fields {
		list = setFields(list, fields[i].In(v), join(path, fields[i].Name))
	}
	return list
}
