package oci

// Compile: one walk over the fields that a configuration sets. Each is looked
// up in the table in fields.go and either handled by a function or noted with
// the table's grade and reason, so no field passes without a note.

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci/strictjson"
)

// Compile maps cfg onto a cell of a kernel with the given features.
//
// A property that would weaken the isolation if it were ignored, and whatever
// is invalid, is an error that lists every such field (*ConfigError). What
// merely can't be honoured is a warning, see Warnings and Strict. The Plan is
// returned with an error too, for Explain to show; it must not be run then.
func Compile(cfg *Config, f kmod.Features) (*Plan, error) {
	c := newCompiler(f)
	c.plan.OCIVersion = cfg.Version
	if _, err := checkVersion(cfg.Version); err != nil {
		// Another major version may give the same fields another meaning: what else
		// could be said of them would mislead.
		c.invalid("ociVersion", "", err.Error())
		return c.plan, c.err()
	}
	// The walk has to set the netbsd section and the annotations before
	// anything depends on them: settle runs after it.
	c.walk(reflect.ValueOf(cfg).Elem(), "", "")
	for _, u := range cfg.Unknown {
		c.unknown(u)
	}
	c.settle(cfg)
	return c.plan, c.err()
}

// compiler is one run of Compile.
type compiler struct {
	f    kmod.Features
	plan *Plan
	// process is the plan's, or the one that exec runs.
	process *Process
	rlimits map[string]string // type → the field that set it
	// What the cell's settings are made of, once all are known: see settle.
	want       wishes
	namespaces []namespace
}

func newCompiler(f kmod.Features) *compiler {
	// A real configuration makes 40 to 60 notes.
	return &compiler{f: f, plan: &Plan{Notes: make([]Note, 0, 64)}, process: &Process{}}
}

// emulated tells whether the kernel is the Linux emulator's.
func (c *compiler) emulated() bool { return c.f.Backend == "emulator" }

// walk visits every field that is set, in the specification's order. path is
// the field's name as a user finds it in the file, pattern the same with []
// for every index or key, as the table has it.
func (c *compiler) walk(v reflect.Value, path, pattern string) {
	if pattern != "" {
		if r := ruleFor(pattern); r != nil {
			c.apply(r, path, v)
			return
		}
	}
	switch v.Kind() {
	case reflect.Pointer:
		c.walk(v.Elem(), path, pattern)
	case reflect.Struct:
		fields := strictjson.Fields(v.Type())
		for i := range fields {
			f := &fields[i]
			if e := f.In(v); isSet(e) {
				c.walk(e, join(path, f.Name), join(pattern, f.Name))
			}
		}
	case reflect.Slice:
		for i := range v.Len() {
			c.walk(v.Index(i), path+"["+strconv.Itoa(i)+"]", pattern+"[]")
		}
	default:
		// TestEveryFieldHasARule keeps this from happening.
		c.refused(path, "", "no rule for this field; ignored")
	}
}

func (c *compiler) apply(r *rule, path string, v reflect.Value) {
	if r.handle != nil {
		for v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		r.handle(c, path, v.Interface())
		return
	}
	c.note(Note{Field: path, Value: summary(v), Grade: r.grade, Reason: r.reason, Fatal: r.fatal})
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// isSet tells whether a field says anything: a pointer counts even when it
// points to zero, an empty list does not.
func isSet(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Slice, reflect.Map:
		return v.Len() > 0
	}
	return !v.IsZero()
}

// note adds a row.
func (c *compiler) note(n Note) { c.plan.Notes = append(c.plan.Notes, n) }

// exact notes a field that is carried out; reason is what one should know
// nevertheless, or empty.
func (c *compiler) exact(field, value, reason string) {
	c.note(Note{Field: field, Value: value, Grade: Exact, Reason: reason})
}

func (c *compiler) approximated(field, value, reason string) {
	c.note(Note{Field: field, Value: value, Grade: Approximated, Reason: reason})
}

// refused notes a field that is not honoured and does no harm by that.
func (c *compiler) refused(field, value, reason string) {
	c.note(Note{Field: field, Value: value, Grade: Refused, Reason: reason})
}

// fatal notes a field that is not honoured and would weaken the isolation.
func (c *compiler) fatal(field, value, reason string) {
	c.note(Note{Field: field, Value: value, Grade: Refused, Reason: reason, Fatal: true})
}

// invalid notes a value that no runtime could carry out.
func (c *compiler) invalid(field, value, reason string) { c.fatal(field, value, reason) }

// graded notes a field by what the kernel makes of it. Absent is fatal.
func (c *compiler) graded(field, value string, s kmod.Support, enforced string) {
	switch s.Level {
	case kmod.Enforced:
		c.exact(field, value, enforced)
	case kmod.Recorded:
		c.approximated(field, value, "kept and shown, not enforced: "+s.Reason)
	default:
		c.fatal(field, value, "this kernel interface can't enforce it"+because(s.Reason)+"; remove the field")
	}
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return " (" + reason + ")"
}

// summary is a value for a note, for fields that need no words of their own.
func summary(v reflect.Value) string {
	for v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch v.Kind() {
	case reflect.String:
		return quote(v.String())
	case reflect.Bool:
		return strconv.FormatBool(v.Bool())
	case reflect.Slice, reflect.Map:
		return plural(v.Len(), "entry", "entries")
	case reflect.Struct, reflect.Interface:
		return ""
	}
	if v.CanInt() {
		return strconv.FormatInt(v.Int(), 10)
	}
	return strconv.FormatUint(v.Uint(), 10)
}

func plural(n int, one, many string) string {
	if n == 1 {
		return "1 " + one
	}
	return strconv.Itoa(n) + " " + many
}

// quote shows a string from a configuration: control characters escaped, for
// they would reach a terminal, and shortened.
func quote(s string) string {
	const limit = 80
	if len(s) > limit {
		s = strings.ToValidUTF8(s[:limit], "") + "…"
	}
	return strconv.Quote(s)
}

// ConfigError lists everything in a configuration that stopped Compile.
type ConfigError struct {
	Problems []Note
}

// mostProblems is how many problems an error tells: a list may have millions of
// members, all wrong.
const mostProblems = 100

// Error gives a line a problem.
func (e *ConfigError) Error() string {
	var lines []string
	for i, n := range e.Problems {
		if i == mostProblems {
			lines = append(lines, fmt.Sprintf("and %d more", len(e.Problems)-i))
			break
		}
		lines = append(lines, n.String())
	}
	return strings.Join(lines, "\n")
}

// String is a note in one line: field, value, what became of it.
func (n Note) String() string {
	var b strings.Builder
	b.WriteString(n.Field)
	if n.Value != "" {
		b.WriteByte(' ')
		b.WriteString(n.Value)
	}
	b.WriteString(": ")
	if n.Reason == "" {
		b.WriteString(string(n.Grade))
	} else {
		b.WriteString(n.Reason)
	}
	return b.String()
}

// err is the fatal notes, or nil.
func (c *compiler) err() error { return fatalError(c.plan.Notes) }

func fatalError(notes []Note) error {
	return errorOf(notes, func(n Note) bool { return n.Fatal })
}

func errorOf(notes []Note, pick func(Note) bool) error {
	var e ConfigError
	for _, n := range notes {
		if pick(n) {
			e.Problems = append(e.Problems, n)
		}
	}
	if e.Problems == nil {
		return nil
	}
	return &e
}

// Warnings lists what is not carried out exactly and did not stop Compile.
func (p *Plan) Warnings() []Note {
	var list []Note
	for _, n := range p.Notes {
		if n.Grade != Exact && !n.Fatal {
			list = append(list, n)
		}
	}
	return list
}

// Strict is an error (*ConfigError) that lists every note that is not exact,
// nil when there is none.
func (p *Plan) Strict() error {
	err := errorOf(p.Notes, func(n Note) bool { return n.Grade != Exact })
	if err == nil {
		return nil
	}
	return fmt.Errorf("--strict refuses what is not carried out exactly: %w", err)
}
