package service

// What differs between two documents, a line each.

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
)

// Difference is a value that two documents have not in common; empty = not there.
type Difference struct {
	Field string `json:"field"` // "cell.ports[0].port"
	Is    string `json:"is"`
	Will  string `json:"will"`
}

// Differ compares two values in the form that encoding/json gives them.
func Differ(is, will any) ([]Difference, error) {
	a, err := flat(is)
	if err != nil {
		return nil, err
	}
	b, err := flat(will)
	if err != nil {
		return nil, err
	}
	all := maps.Clone(a)
	maps.Copy(all, b)
	var list []Difference
	for _, field := range slices.Sorted(maps.Keys(all)) {
		if a[field] != b[field] {
			list = append(list, Difference{field, a[field], b[field]})
		}
	}
	return list, nil
}

func flat(v any) (map[string]string, error) {
	data, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	var tree any
	if err := json.Unmarshal(data, &tree); err != nil {
		return nil, fmt.Errorf("compare: %w", err)
	}
	out := map[string]string{}
	flatten("", tree, out)
	return out, nil
}

// said is what documents call the place of a configuration where something was
// said; that something has moved there is no difference.
const said = "field"

func flatten(field string, v any, out map[string]string) {
	switch v := v.(type) {
	case map[string]any:
		for name, below := range v {
			if name == said {
				continue
			}
			at := name
			if field != "" {
				at = field + "." + name
			}
			flatten(at, below, out)
		}
	case []any:
		for i, below := range v {
			flatten(field+"["+strconv.Itoa(i)+"]", below, out)
		}
	default:
		b, _ := json.Marshal(v) // it came from JSON
		out[field] = string(b)
	}
}
