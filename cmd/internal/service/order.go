package service

// The order of starting, and an rc.d script that has rcorder(8) keep it.

import (
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/oci"
)

// Order puts cells behind what they require, and before what they say; else by
// name. Names that are no cells are rcorder's. Cells that wait for each other
// come last, by name, and the error names them: a circle keeps nobody down.
func Order(list []*Declaration) (ordered []*Declaration, err error) {
	left := slices.SortedFunc(slices.Values(list), func(a, b *Declaration) int { return strings.Compare(a.Name, b.Name) })
	for len(left) > 0 {
		i := slices.IndexFunc(left, func(d *Declaration) bool { return !waits(d, left) })
		if i < 0 {
			circle := make([]string, len(left))
			for i, d := range left {
				circle[i] = d.Name
			}
			return append(ordered, left...), fmt.Errorf("the cells %s wait for each other: look at their require and before", strings.Join(circle, ", "))
		}
		ordered = append(ordered, left[i])
		left = slices.Delete(left, i, i+1)
	}
	return ordered, nil
}

// Unknown are the names in require and before that nobody has: they are no cells,
// and nothing that rcorder knows. near is the one that each may be meant for, or
// empty.
func Unknown(d *Declaration, known []string) (names, near []string) {
	for _, name := range slices.Concat(d.Require, d.Before) {
		if !slices.Contains(known, name) && !slices.Contains(names, name) {
			names, near = append(names, name), append(near, oci.Nearest(name, known))
		}
	}
	return names, near
}

// Provided are the names that a script of rc.d provides (rcorder(8)).
func Provided(script []byte) (names []string) {
	for line := range strings.Lines(string(script)) {
		fields := strings.Fields(line)
		switch {
		case len(fields) > 2 && fields[0] == "#" && (fields[1] == "PROVIDE:" || fields[1] == "PROVIDES:"):
			names = append(names, fields[2:]...)
		case !strings.HasPrefix(line, "#") && len(fields) > 0:
			return names
		}
	}
	return names
}

// waits tells whether another one that is left has to come first.
func waits(d *Declaration, left []*Declaration) bool {
	return slices.ContainsFunc(left, func(other *Declaration) bool {
		return other != d && (slices.Contains(d.Require, other.Name) || slices.Contains(other.Before, d.Name))
	})
}

// ScriptPrefix begins the names of the scripts, and of what they provide.
const ScriptPrefix = "cell_"

// Script is a cell's rc.d script, which calls the program command. cells are all
// that are declared, and whether they have one: others in require and before are
// rcorder's names. A cell without one is none: runcell's own script, which comes
// first, starts it, if anything does.
func Script(d *Declaration, command string, cells map[string]bool) (string, error) {
	if strings.ContainsAny(d.Name, "-.") {
		return "", fmt.Errorf("%s: a script of rc.d has a variable of its name, which can't have - or . in it: rename the file", d.Name)
	}
	provided := func(names []string) (out []string) {
		for _, name := range names {
			script, declared := cells[name]
			switch {
			case !declared:
				out = append(out, name)
			case script:
				out = append(out, ScriptPrefix+name)
			}
		}
		return out
	}
	before := ""
	if names := provided(d.Before); len(names) > 0 {
		before = "# BEFORE: " + strings.Join(names, " ") + "\n"
	}
	name := ScriptPrefix + d.Name
	return strings.NewReplacer(
		"@NAME@", name, "@CELL@", d.Name, "@COMMAND@", command, "@BEFORE@", before,
		"@REQUIRE@", strings.Join(append([]string{"runcell"}, provided(d.Require)...), " "),
	).Replace(script), nil
}

const script = `#!/bin/sh
#
# PROVIDE: @NAME@
# REQUIRE: @REQUIRE@
@BEFORE@# KEYWORD: shutdown
#
# Written by "runcell service enable @CELL@". What the cell is, its declaration says.

$_rc_subr_loaded . /etc/rc.subr

name="@NAME@"
rcvar=$name
command="@COMMAND@"
extra_commands="status check diff upgrade rollback"
start_cmd="cell_call start"
stop_cmd="cell_call stop"
restart_cmd="cell_call restart"
status_cmd="cell_call status"
check_cmd="cell_call check"
diff_cmd="cell_call diff"
upgrade_cmd="cell_call upgrade"
rollback_cmd="cell_call rollback"

# runcell_flags are words.
cell_call()
{
	# shellcheck disable=SC2086
	"$command" $runcell_flags service "$1" @CELL@
}

load_rc_config runcell
load_rc_config $name
: "${runcell_flags:=}"
run_rc_command "$1"
`
