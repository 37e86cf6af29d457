package manifest

// What a document may look like, before any of it is decoded: how much it may cost
// and which members it must and must not have. A document is at most
// image.MaxJSON bytes long, but two bytes of it can become hundreds in memory.

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/image"
)

const (
	maxValues  = 200_000 // of a document: members and elements, on all levels
	maxList    = 20_000  // descriptors of a document, and on the way to an image
	maxVolumes = 1000    // directories that a config can have made
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
	var members map[string]json.RawMessage
	if err := json.Unmarshal(data, &members); err != nil {
		return err
	}
	if _, ok := members[must]; !ok {
		return fmt.Errorf("no member %q: not a document of type %s", must, want)
	}
	dec := json.NewDecoder(bytes.NewReader(data))
	seen := map[string]bool{}
	if _, err := dec.Token(); err != nil { // the opening brace
		return err
	}
	for dec.More() {
		t, err := dec.Token()
		if err != nil {
			return err
		}
		name, _ := t.(string)
		if seen[fold(name)] {
			return fmt.Errorf("member %s occurs twice", image.Quote(name))
		}
		seen[fold(name)] = true
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			return err
		}
		if fold(name) != fold(list) {
			continue
		}
		if err := checkList(list, value); err != nil {
			return err
		}
	}
	for _, name := range mustNot {
		if seen[fold(name)] {
			return fmt.Errorf("members %q and %q together: the document could be read as two kinds", must, name)
		}
	}
	return nil
}

// checkList counts the elements of a list; that it is none, decoding tells.
func checkList(name string, value json.RawMessage) error {
	if len(value) == 0 || value[0] != '[' {
		return nil
	}
	dec := json.NewDecoder(bytes.NewReader(value))
	if _, err := dec.Token(); err != nil {
		return err
	}
	for n := 0; dec.More(); n++ {
		if n == maxList {
			return fmt.Errorf("member %q: more than %d elements", name, maxList)
		}
		var skip json.RawMessage
		if err := dec.Decode(&skip); err != nil {
			return err
		}
	}
	return nil
}

// fold maps member names that encoding/json takes for equal to one, the long
// s and the Kelvin sign included.
func fold(name string) string { return strings.ToLower(strings.ToUpper(name)) }
