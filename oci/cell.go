package oci

// The cell's settings: what the netbsd section and the annotations ask for.
// Both are read here into wishes; settle.go makes the cell of them.

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// AnnotationPrefix begins every annotation that Compile reads.
const AnnotationPrefix = "org.netbsd.cell."

// setting is a value and the field that gave it; unset without a field.
type setting[T any] struct {
	field string
	value T
}

// wishes is what a configuration asks of the cell.
type wishes struct {
	profile      setting[policy.Profile]
	permissions  setting[permissionWish]
	ports        setting[[]kmod.Port]
	addresses    setting[[]Address]
	network      setting[kmod.Network]
	maxProcesses setting[uint64]

	pidsLimit uint64 // linux.resources.pids.limit, 0 = none
	capsField string // process.capabilities, when given
	caps      []string
	hostname  string
}

// permissionWish is what to open and to close, and which field says so.
type permissionWish struct {
	open, closed policy.Set
	fields       map[policy.Permission]string
}

func samePermissions(a, b permissionWish) bool { return a.open == b.open && a.closed == b.closed }

func same[T comparable](a, b T) bool { return a == b }

// sameList compares lists without regard to their order.
func sameList[T comparable](a, b []T) bool {
	if len(a) != len(b) {
		return false
	}
	for _, x := range a {
		if !slices.Contains(b, x) {
			return false
		}
	}
	return true
}

// give records a setting. It may be given twice, by the netbsd section and by
// an annotation, if both agree.
func give[T any](c *compiler, s *setting[T], field, value string, v T, equal func(a, b T) bool) {
	switch {
	case s.field == "":
		*s = setting[T]{field, v}
	case equal(s.value, v):
		c.exact(field, value, "the same as "+s.field)
	default:
		c.invalid(field, value, "disagrees with "+s.field+"; keep one of the two")
	}
}

func (c *compiler) sectionProfile(field string, v any) { c.giveProfile(field, v.(string)) }
func (c *compiler) sectionNetwork(field string, v any) { c.giveNetwork(field, v.(string)) }

func (c *compiler) sectionPermissions(field string, v any) {
	c.givePermissions(field, v.([]string), indexed(field))
}

func (c *compiler) sectionPorts(field string, v any) {
	c.givePorts(field, v.([]string), indexed(field))
}

func (c *compiler) sectionMaxProcesses(field string, v any) {
	n := v.(uint64)
	give(c, &c.want.maxProcesses, field, strconv.FormatUint(n, 10), n, same)
}

func (c *compiler) sectionAddresses(field string, v any) {
	var list []Address
	for i, a := range v.([]NetBSDAddress) {
		addr, err := ParseAddress(a.Interface, a.Address)
		if err != nil {
			c.invalid(fmt.Sprintf("%s[%d]", field, i), "", err.Error())
			return
		}
		list = append(list, addr)
	}
	c.giveAddresses(field, list)
}

// indexed names an element of a list in the section; an annotation's elements
// go by the annotation's name.
func indexed(field string) func(int) string {
	return func(i int) string { return fmt.Sprintf("%s[%d]", field, i) }
}

func whole(field string) func(int) string { return func(int) string { return field } }

func (c *compiler) giveProfile(field, value string) {
	p, err := policy.ParseProfile(value)
	if err != nil {
		c.invalid(field, quote(value), "unknown profile; use low, medium or high")
		return
	}
	give(c, &c.want.profile, field, value, p, same)
}

func (c *compiler) giveNetwork(field, value string) {
	n, err := ParseNetwork(value)
	if err != nil {
		c.invalid(field, "", err.Error())
		return
	}
	give(c, &c.want.network, field, value, n, same)
}

func (c *compiler) givePermissions(field string, names []string, name func(int) string) {
	w := permissionWish{fields: make(map[policy.Permission]string)}
	for i, n := range names {
		p, closing, err := ParsePermission(n)
		if err != nil {
			c.invalid(name(i), "", err.Error())
			return
		}
		w.fields[p] = name(i)
		if closing {
			w.closed = w.closed.With(p)
		} else {
			w.open = w.open.With(p)
		}
	}
	if both := w.open & w.closed; both != 0 {
		c.invalid(field, both.String(), "opened and closed at the same time; keep one of the two")
		return
	}
	give(c, &c.want.permissions, field, strings.Join(names, ","), w, samePermissions)
}

func (c *compiler) givePorts(field string, values []string, name func(int) string) {
	var list []kmod.Port
	for i, s := range values {
		p, err := ParsePort(s)
		if err != nil {
			c.invalid(name(i), "", err.Error())
			return
		}
		if slices.Contains(list, p) {
			c.invalid(name(i), quote(s), "given twice")
			return
		}
		list = append(list, p)
	}
	if len(list) > kmod.MaxPorts {
		c.invalid(field, plural(len(list), "port", "ports"), fmt.Sprintf("a cell can reserve %d", kmod.MaxPorts))
		return
	}
	give(c, &c.want.ports, field, strings.Join(values, ","), list, sameList)
}

func (c *compiler) giveAddresses(field string, list []Address) {
	if len(list) > kmod.MaxAddresses {
		c.invalid(field, plural(len(list), "address", "addresses"), fmt.Sprintf("a cell can have %d", kmod.MaxAddresses))
		return
	}
	words := make([]string, len(list))
	for i, a := range list {
		words[i] = a.String()
		for _, b := range list[:i] {
			if a.Prefix.Addr() == b.Prefix.Addr() {
				c.invalid(field, words[i], "given twice")
				return
			}
		}
	}
	give(c, &c.want.addresses, field, strings.Join(words, ","), list, sameList)
}

// String is an address as annotations have it: "wm0=192.0.2.10/24".
func (a Address) String() string { return a.Interface + "=" + a.Prefix.String() }

// cellAnnotations are the annotations by their name behind AnnotationPrefix.
var cellAnnotations = [...]struct {
	name string
	read func(c *compiler, field, value string)
}{
	{"profile", (*compiler).giveProfile},
	{"permissions", func(c *compiler, field, value string) { c.givePermissions(field, splitList(value), whole(field)) }},
	{"reserved-ports", func(c *compiler, field, value string) { c.givePorts(field, splitList(value), whole(field)) }},
	{"addresses", (*compiler).addressesAnnotation},
	{"network", (*compiler).giveNetwork},
	{"max-processes", (*compiler).maxProcessesAnnotation},
}

func (c *compiler) addressesAnnotation(field, value string) {
	var list []Address
	for _, s := range splitList(value) {
		a, err := ParseAddressPair(s)
		if err != nil {
			c.invalid(field, "", err.Error())
			return
		}
		list = append(list, a)
	}
	c.giveAddresses(field, list)
}

func (c *compiler) maxProcessesAnnotation(field, value string) {
	n, err := strconv.ParseUint(value, 10, 64)
	if err != nil {
		c.invalid(field, quote(value), "must be a number; 0 is no limit")
		return
	}
	give(c, &c.want.maxProcesses, field, value, n, same)
}

// annotations keeps all of them for the state and reads ours.
func (c *compiler) annotations(field string, v any) {
	all := v.(map[string]string)
	c.plan.Annotations = all
	c.exact(field, plural(len(all), "annotation", "annotations"), "kept in the state")
	for _, key := range slices.Sorted(maps.Keys(all)) {
		if key == "" {
			c.invalid(field, `""`, "an annotation's name can't be empty")
		}
		name, ours := strings.CutPrefix(key, AnnotationPrefix)
		if ours {
			c.cellAnnotation(join(field, clean(key)), name, all[key])
		} else if near := nearCell(key); near != "" {
			c.fatal(join(field, clean(key)), quote(all[key]), "looks like "+near+", which it is not: correct it, or take it out")
		}
	}
	c.platform(all)
}

func (c *compiler) cellAnnotation(field, name, value string) {
	for _, a := range cellAnnotations {
		if a.name == name {
			a.read(c, field, value)
			return
		}
	}
	known := cellNames("")
	reason := "no such setting"
	if near := Nearest(name, known); near != "" {
		reason += "; did you mean " + AnnotationPrefix + near + "?"
	}
	c.fatal(field, quote(value), reason+"; there are "+strings.Join(known, ", "))
}

// nearCell gives the annotation of ours that another one looks like, or "".
func nearCell(key string) string { return Nearest(key, cellNames(AnnotationPrefix)) }

// cellNames are the names of the annotations, behind a prefix.
func cellNames(prefix string) []string {
	names := make([]string, len(cellAnnotations))
	for i, a := range cellAnnotations {
		names[i] = prefix + a.name
	}
	return names
}

// capabilities compiles to permissions when the profile is known.
func (c *compiler) capabilities(field string, v any) {
	caps := v.(specs.LinuxCapabilities)
	c.want.capsField = field
	c.want.caps = caps.Bounding
	if c.want.caps == nil {
		c.want.caps = []string{} // the list says that there are none
	}
}
