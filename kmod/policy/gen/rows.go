package main

// cell_rows.c: the table as a switch over the kernel's own symbols, so that
// nothing depends on how a release numbers them, and a symbol that is gone
// does not compile.

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

const rowsBegin = `#include <sys/param.h>
#include <sys/queue.h>
#include <sys/kauth.h>

#include "cell_have.h"
#include "cell_table.h"

`

// A HAVE_ is there for every name of the kernel's kauth.h. The preprocessor
// can't see enumerators, so these stand for all: without them the symbols that
// newer kernels have would silently be left out.
var witnesses = [...]string{
	"KAUTH_SYSTEM_MODULE", "KAUTH_SYSTEM_CHROOT", "KAUTH_SYSTEM_REBOOT", "KAUTH_PROCESS_SIGNAL", "KAUTH_PROCESS_PTRACE",
	"KAUTH_PROCESS_CANSEE", "KAUTH_NETWORK_BIND", "KAUTH_NETWORK_SOCKET", "KAUTH_DEVICE_RAWIO_SPEC", "KAUTH_MACHDEP_IOPL",
	"KAUTH_VNODE_REVOKE", "KAUTH_GENERIC_ISSUSER",
}

// source writes C, with what only newer kernels have between #ifdef and #endif.
type source struct{ bytes.Buffer }

func (b *source) say(format string, args ...any) { fmt.Fprintf(b, format, args...) }

// known writes what is for kernels that have the symbol.
func (b *source) known(symbol string, write func()) {
	if !slices.Contains(policy.Newer[:], symbol) {
		write()
		return
	}
	b.say("#ifdef HAVE_%s\n", symbol)
	write()
	b.say("#endif\n")
}

func rowsSource() []byte {
	b := &source{}
	b.say(begin + rowsBegin)
	for _, w := range witnesses {
		b.say("#ifndef HAVE_%s\n#error \"cell_have.h lacks %s: have.sh did not read this kernel's sys/kauth.h\"\n#endif\n", w, w)
	}
	rowData(b)
	for _, s := range policy.Scopes {
		if s != policy.ScopeVnode {
			scopeSwitch(b, s)
		}
	}
	dispatch(b)
	vnodeRow(b)
	return b.Bytes()
}

func rowData(b *source) {
	b.say("\nstatic const struct cell_row rows[] = {\n")
	for i := range policy.Table {
		r := &policy.Table[i]
		crosses := 0
		if r.When.CrossesCells() {
			crosses = 1
		}
		b.say("\t{ %d, %d, %d, %d, %q },\t/* %d */\n", r.Class, r.Opens, scopes[r.Scope], crosses, r.Name, i)
	}
	b.say("\t{ CELL_CLASS_NONE, CELL_OPENS_NEVER, CELL_SCOPE_NONE, 0, \"unknown\" }\n};\n")
}

// decides writes the statement that gives row i where it decides.
func decides(b *source, indent string, i int) {
	r := &policy.Table[i]
	var conditions []string
	if r.Request != "" {
		conditions = append(conditions, "request == "+r.Request)
	}
	if r.When != policy.IfAny {
		conditions = append(conditions, "(facts & CELL_IF_"+conditionNames[r.When]+") != 0")
	}
	b.known(r.Request, func() {
		if len(conditions) == 0 {
			b.say("%sreturn &rows[%d];\t/* %s */\n", indent, i, r.Name)
			return
		}
		b.say("%sif (%s)\n%s\treturn &rows[%d];\t/* %s */\n", indent, strings.Join(conditions, " &&\n"+indent+"    "), indent, i, r.Name)
	})
}

// chain writes the rows of an action, or those of the rest of the scope, and
// tells whether the last one takes every request.
func chain(b *source, indent string, s policy.Scope, action string) bool {
	for i := range policy.Table {
		r := &policy.Table[i]
		if r.Scope != s || r.Action != action {
			continue
		}
		decides(b, indent, i)
		if r.Request == "" && r.When == policy.IfAny {
			return true
		}
	}
	return false
}

func scopeSwitch(b *source, s policy.Scope) {
	b.say("\nstatic const struct cell_row *\n%s_row(kauth_action_t action, uintptr_t request, uint32_t facts)\n{\n\n\tswitch (action) {\n", s)
	seen := map[string]bool{"": true}
	for i := range policy.Table {
		a := policy.Table[i].Action
		if policy.Table[i].Scope != s || seen[a] {
			continue
		}
		seen[a] = true
		b.known(a, func() {
			b.say("\tcase %s:\n", a)
			if !chain(b, "\t\t", s, a) {
				b.say("\t\tbreak;\n")
			}
		})
	}
	b.say("\tdefault:\n\t\tbreak;\n\t}\n")
	if !chain(b, "\t", s, "") {
		panic(fmt.Sprintf("scope %s: no row takes every request", s))
	}
	b.say("}\n")
}

func dispatch(b *source) {
	b.say("\nconst struct cell_row *\ncell_row(unsigned scope, uint64_t action, uintptr_t request, uint32_t facts)\n{\n\n\tswitch (scope) {\n")
	for _, s := range policy.Scopes {
		if s != policy.ScopeVnode {
			b.say("\tcase CELL_SCOPE_%s:\n\t\treturn %s_row((kauth_action_t)action, request, facts);\n", upper(string(s)), s)
		}
	}
	b.say("\tdefault:\n\t\treturn &rows[%d];\n\t}\n}\n", len(policy.Table))
}

// vnodeRow writes what takes the bits of an action of the vnode scope apart,
// in the table's order.
func vnodeRow(b *source) {
	var asked []string
	b.say("\nconst struct cell_row *\ncell_row_vnode(uint64_t *bits, uint32_t facts)\n{\n\n")
	for i := range policy.Table {
		r := &policy.Table[i]
		if r.Scope != policy.ScopeVnode {
			continue
		}
		if r.Action == "" {
			b.say("\t*bits = 0;\n\treturn &rows[%d];\n}\n", i)
			continue
		}
		for _, a := range r.Actions() {
			when := ""
			if r.When != policy.IfAny {
				when = " &&\n\t    (facts & CELL_IF_" + conditionNames[r.When] + ") != 0"
			}
			b.known(a, func() {
				b.say("\tif ((*bits & %s) != 0%s) {\n\t\t*bits &= ~(uint64_t)%s;\n\t\treturn &rows[%d];\n\t}\n", a, when, a, i)
			})
		}
		if r.Opens != policy.Always {
			asked = append(asked, r.Action)
		}
	}
	b.say("\nuint64_t\ncell_vnode_asked(void)\n{\n\tuint64_t bits = ~(uint64_t)0;\n\n")
	for i := range policy.Table {
		r := &policy.Table[i]
		if r.Scope != policy.ScopeVnode || r.Opens != policy.Always {
			continue
		}
		for _, a := range r.Actions() {
			if !slices.Contains(asked, a) {
				b.known(a, func() { b.say("\tbits &= ~(uint64_t)%s;\n", a) })
			}
		}
	}
	b.say("\treturn bits;\n}\n")
}
