package manifest

// What a document may look like, before any of it is decoded: how much it may cost
// and which members it must and must not have. A document is at most
// image.MaxIndex bytes long, but two bytes of it can become hundreds in memory.
// What is looked at here is not copied.

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/image"
)

const (
	maxValues = 200_000 // of a document: members and elements, on all levels
	maxList   = 20_000  // descriptors of a document, and on the way to an image
)

// checkCost counts what the document has outside of strings. It need not be
// valid: decoding tells.
func checkCost(data []byte) error {
	values, inString := 0, false
	for i := 0; i < len(data); i++ {
		switch c := data[i]; {
		case inString && c == '\\':
			i++
		case c == '"':
			inString = !inString
		case !inString && (c == ',' || c == '{' || c == '['):
			values++
		}
	}
	if values > maxValues {
		return fmt.Errorf("%d values, at most %d are read", values, maxValues)
	}
	return nil
}

// checkShape demands the member that makes the document what it is and
// refuses those of another kind, and any member given twice: encoding/json
// matches names without regard to case and keeps the last. list is the member
// that has the descriptors.
func checkShape(data []byte, want, must, list string, mustNot ...string) error {
	if err := checkCost(data); err != nil {
		return err
	}
	var whole struct{} // its members are not kept
	if err := json.Unmarshal(data, &whole); err != nil {
		return err
	}
	seen, exact := map[string]bool{}, false
	err := members(data, func(name string, elements int) error {
		if seen[fold(name)] {
			return fmt.Errorf("member %s occurs twice", image.Quote(name))
		}
		seen[fold(name)] = true
		exact = exact || name == must
		if fold(name) == fold(list) && elements > maxList {
			return fmt.Errorf("member %q: more than %d elements", list, maxList)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if !exact {
		return fmt.Errorf("no member %q: not a document of type %s", must, want)
	}
	for _, name := range mustNot {
		if seen[fold(name)] {
			return fmt.Errorf("members %q and %q together: the document could be read as two kinds", must, name)
		}
	}
	return nil
}

// members calls do for each member of a valid object, with its name and how many
// elements or members its value has, if it is a list or an object.
func members(data []byte, do func(name string, elements int) error) error {
	depth, elements := 0, 0
	var key []byte
	for i := 0; i < len(data); i++ {
		switch c := data[i]; c {
		case '"':
			end := stringEnd(data, i)
			if key == nil {
				key = data[i:end]
			} else if depth == 2 && elements == 0 {
				elements = 1
			}
			i = end - 1
		case '{', '[':
			if depth == 2 && elements == 0 {
				elements = 1
			}
			depth++
		case '}', ']', ',':
			if c != ',' {
				depth--
			}
			switch {
			case c == ',' && depth == 2:
				elements++
			case key != nil && depth <= 1:
				var name string
				if err := json.Unmarshal(key, &name); err != nil {
					return err
				}
				if err := do(name, elements); err != nil {
					return err
				}
				key, elements = nil, 0
			}
		case ' ', '\t', '\r', '\n', ':':
		default:
			if depth == 2 && elements == 0 {
				elements = 1
			}
		}
	}
	return nil
}

// stringEnd gives the place behind the string that begins at data[i].
func stringEnd(data []byte, i int) int {
	for i++; data[i] != '"'; i++ {
		if data[i] == '\\' {
			i++
		}
	}
	return i + 1
}

// fold maps member names that encoding/json takes for equal to one, the long
// s and the Kelvin sign included.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
