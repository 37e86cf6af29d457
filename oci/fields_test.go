package oci

// No field of the specification may pass without a note: the types are walked
// by reflection, and a configuration with everything set is compiled.

import (
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci/strictjson"
)

// handled lists the fields of the objects that a handler takes whole. When the
// specification adds one to such an object, the handler has to learn it first.
var handled = map[string]string{
	"hooks.createContainer[]": "path args env timeout",
	"hooks.createRuntime[]":   "path args env timeout",
	"hooks.poststart[]":       "path args env timeout",
	"hooks.poststop[]":        "path args env timeout",
	"hooks.prestart[]":        "path args env timeout",
	"hooks.startContainer[]":  "path args env timeout",
	"linux.devices[]":         "path type major minor fileMode uid gid",
	"linux.namespaces[]":      "type path",
	"linux.personality":       "domain flags",
	"linux.resources.pids":    "limit",
	"mounts[]":                "destination type source options uidMappings gidMappings",
	"netbsd.cell.addresses":   "interface address",
	"netbsd.devices[]":        "path type mode uid gid",
	"process.capabilities":    "bounding effective inheritable permitted ambient",
	"process.consoleSize":     "height width",
	"process.rlimits[]":       "type hard soft",
	"process.scheduler":       "policy nice priority flags runtime deadline period",
}

// fieldsOf calls visit for every field below type t that needs a rule: leaves,
// and objects that have one.
func fieldsOf(t reflect.Type, pattern string, visit func(pattern string, t reflect.Type)) {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	switch {
	case pattern != "" && ruleFor(pattern) != nil:
		visit(pattern, t)
	case t.Kind() == reflect.Struct:
		for _, f := range strictjson.Fields(t) {
			fieldsOf(f.Type, join(pattern, f.Name), visit)
		}
	case t.Kind() == reflect.Slice && base(t).Kind() == reflect.Struct, t.Kind() == reflect.Slice && ruleFor(pattern+"[]") != nil:
		fieldsOf(t.Elem(), pattern+"[]", visit)
	default:
		visit(pattern, t)
	}
}

// base is what a list holds.
func base(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

func TestEveryFieldHasARule(t *testing.T) {
	used := map[string]bool{}
	fieldsOf(reflect.TypeFor[Config](), "", func(pattern string, typ reflect.Type) {
		r := ruleFor(pattern)
		if r == nil {
			t.Errorf("%s has no rule", pattern)
			return
		}
		used[pattern] = true
		if r.handle == nil && (r.grade == "" || r.reason == "" && r.grade != Exact) {
			t.Errorf("%s: the rule has neither a handler nor a grade and a reason", pattern)
		}
		if b := base(typ); r.handle != nil && b.Kind() == reflect.Struct {
			var names []string
			for _, f := range strictjson.Fields(b) {
				names = append(names, f.Name)
			}
			if got := strings.Join(names, " "); got != handled[pattern] {
				t.Errorf("%s has the fields %q; the handler is known to take %q", pattern, got, handled[pattern])
			}
		}
	})
	for _, r := range rules {
		if !used[r.field] {
			t.Errorf("the rule for %s belongs to no field", r.field)
		}
	}
	if !slices.IsSortedFunc(rules[:], func(a, b rule) int { return strings.Compare(a.field, b.field) }) {
		t.Error("rules are not sorted by field")
	}
}

// TestEverythingSet compiles a configuration that sets every field, and wants
// a note for each.
func TestEverythingSet(t *testing.T) {
	cfg, err := LoadFile("testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	if len(cfg.Unknown) != 0 {
		t.Errorf("unknown fields: %q", cfg.Unknown)
	}
	allSet(t, reflect.ValueOf(cfg).Elem(), "", "")
	for name, f := range kernels() {
		p, err := Compile(cfg, f)
		if err == nil {
			t.Errorf("%s: a configuration with everything set was accepted", name)
		}
		notes := map[string]bool{}
		for _, n := range p.Notes {
			notes[n.Field] = true
		}
		for _, r := range rules {
			if !hasNoteFor(notes, r.field) {
				t.Errorf("%s: %s has no note", name, r.field)
			}
		}
		golden(t, "everything-"+name+".txt", planText(p))
	}
}

// hasNoteFor looks for a note on the field or on something in it.
func hasNoteFor(notes map[string]bool, pattern string) bool {
	field := strings.ReplaceAll(pattern, "[]", "[0]")
	for n := range notes {
		if rest, ok := strings.CutPrefix(n, field); ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
			return true
		}
	}
	return false
}

// allSet wants every field of the configuration to be set, down to the fields
// that a fixed rule covers whole.
func allSet(t *testing.T, v reflect.Value, path, pattern string) {
	for v.Kind() == reflect.Pointer && !v.IsNil() {
		v = v.Elem()
	}
	if r := ruleFor(pattern); path != "" && !isSet(v) {
		t.Errorf("testdata/everything.json does not set %s", path)
		return
	} else if r != nil && r.handle == nil {
		return
	}
	switch {
	case v.Kind() == reflect.Struct:
		fields := strictjson.Fields(v.Type())
		for i := range fields {
			name := fields[i].Name
			allSet(t, fields[i].In(v), join(path, name), join(pattern, name))
		}
	case v.Kind() == reflect.Slice && base(v.Type()).Kind() == reflect.Struct:
		// The first element sets all; the others are there for variety.
		allSet(t, v.Index(0), path+"[0]", pattern+"[]")
	}
}

func planText(p *Plan) string {
	var b strings.Builder
	c := p.Cell
	fmt.Fprintf(&b, "cell: profile %s, network %s, ports %s, addresses %s, max processes %d\n",
		c.Profile, c.Network, joinPorts(c.Ports), joinAddresses(c.Addresses), c.MaxProcesses)
	fmt.Fprintf(&b, "permissions: %s\n", c.Permissions)
	for _, g := range c.Grants {
		fmt.Fprintf(&b, "  %s open=%v by %s\n", g.Name, g.Open, g.Field)
	}
	fmt.Fprintf(&b, "root: %+v\n", p.Root)
	for _, m := range p.Mounts {
		fmt.Fprintf(&b, "mount: %s\n", m)
	}
	for _, d := range p.Devices {
		fmt.Fprintf(&b, "device: %s %s %d:%d\n", d.Path, d.Type, d.Major, d.Minor)
	}
	fmt.Fprintf(&b, "masked: %d, readonly: %d, cgroups path %q\n", len(p.MaskedPaths), len(p.ReadonlyPaths), p.CgroupsPath)
	if p.Process != nil {
		fmt.Fprintf(&b, "process: %q in %s as %d:%d %v, env %q\n", p.Process.Args, p.Process.Cwd, p.Process.UID, p.Process.GID,
			p.Process.AdditionalGIDs, p.Process.Env)
		for _, l := range p.Process.Rlimits {
			fmt.Fprintf(&b, "limit: %s %s %s\n", l.Type, limitValue(l.Soft), limitValue(l.Hard))
		}
	}
	for _, l := range p.Hooks.lists() {
		for _, h := range l.hooks {
			fmt.Fprintf(&b, "hook: %s %s %q %q %s\n", l.when, h.Path, h.Args, h.Env, h.Timeout)
		}
	}
	for _, n := range p.Notes {
		fatal := ""
		if n.Fatal {
			fatal = " FATAL"
		}
		fmt.Fprintf(&b, "%s%s: %s\n", n.Grade, fatal, n)
	}
	return b.String()
}
