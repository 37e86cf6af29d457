package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/jsontest"
	"github.com/netbsd-cells/runcell/kmod"
)

// The page about JSON names each command that the schema knows.
func TestJSONPage(t *testing.T) {
	page, err := os.ReadFile("../../docs/json.md")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("../../docs/json.schema.json")
	if err != nil {
		t.Fatal(err)
	}
	var schema struct {
		Defs map[string]any `json:"$defs"`
	}
	if err := json.Unmarshal(b, &schema); err != nil {
		t.Fatal(err)
	}
	for command := range schema.Defs {
		if !strings.Contains(string(page), "| `"+command+"` |") {
			t.Errorf("docs/json.md does not name %q", command)
		}
	}
	if len(schema.Defs) < 15 {
		t.Errorf("%d commands: this test looks for the wrong thing", len(schema.Defs))
	}
}

// TestJSON: what is printed as JSON is what docs/json.schema.json promises.
func TestJSON(t *testing.T) {
	for line, command := range map[string]string{
		"state web":                        "state",
		"list --format json":               "list",
		"ps --format json web":             "ps",
		"ps --all --format json":           "ps-all",
		"ps --pid 649 --format json":       "ps-all",
		"top --interval 1ns --format json": "top",
		"ports --format json":              "ports",
		"denials --all --format json":      "denials",
		"denials --format json db":         "denials",
		"inspect web":                      "inspect",
		"inspect db":                       "inspect",
		"explain --format json web":        "explain",
		"features --format json":           "features",
		"version --format json":            "version",
		"events --stats web":               "events",
	} {
		f := (&fake{}).someCells(t)
		stdout, stderr, code := f.runcell(t, strings.Fields(line)...)
		if code != 0 || stderr != "" {
			t.Errorf("%s: code %d, %s", line, code, stderr)
			continue
		}
		jsontest.Check(t, "../../docs", command, []byte(stdout))
	}
	before, now := someStats(), someStats()
	now.Denials = map[string]uint64{"system": 9}
	f := &fake{states: someStates(), stats: []kmod.Stats{before, now}}
	stdout, _, _ := f.runcell(t, "events", "--interval", "1h", "web")
	lines := strings.Split(strings.TrimSpace(stdout), "\n")
	if len(lines) < 2 {
		t.Fatalf("events prints %q; want a denial", stdout)
	}
	for _, line := range lines {
		jsontest.Check(t, "../../docs", "events", []byte(line))
	}
}
