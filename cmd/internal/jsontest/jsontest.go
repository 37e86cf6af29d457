// Package jsontest holds what runcell's programs print as JSON to the schema in
// docs.
package jsontest

import (
	"bytes"
	"net/url"
	"os"
	"path/filepath"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"
)

const schema = "schema.json"

// Check demands that a document is what the schema says of a command, and has no
// field that it does not name: readers may meet such fields, but those that there
// are have to be written down. docs is the directory of the schema.
func Check(t *testing.T, docs, command string, document []byte) {
	t.Helper()
	f, err := os.Open(filepath.Join(docs, "json.schema.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		t.Fatal(err)
	}
	closeObjects(doc)
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource(schema, doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile(schema + "#/$defs/" + url.PathEscape(command))
	if err != nil {
		t.Fatalf("docs/json.schema.json says nothing of %q: %v", command, err)
	}
	v, err := jsonschema.UnmarshalJSON(bytes.NewReader(document))
	if err != nil {
		t.Fatalf("%s prints no JSON: %v", command, err)
	}
	if err := s.Validate(v); err != nil {
		t.Errorf("%s prints what docs/json.schema.json does not say: %v", command, err)
	}
}

// closeObjects forbids fields that are not named, wherever some are.
func closeObjects(v any) {
	switch v := v.(type) {
	case map[string]any:
		if _, named := v["properties"]; named && v["type"] == "object" {
			v["additionalProperties"] = false
		}
		for _, below := range v {
			closeObjects(below)
		}
	case []any:
		for _, below := range v {
			closeObjects(below)
		}
	}
}
