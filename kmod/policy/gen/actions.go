package main

// The table as the C code walks it: for each action the rows that can decide.

import (
	"fmt"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// scopes gives each scope its number on the wire, by which denials are counted.
var scopes = map[policy.Scope]int{
	policy.ScopeSystem:  wire.ScopeSystem,
	policy.ScopeProcess: wire.ScopeProcess,
	policy.ScopeNetwork: wire.ScopeNetwork,
	policy.ScopeDevice:  wire.ScopeDevice,
	policy.ScopeMachdep: wire.ScopeMachdep,
	policy.ScopeVnode:   wire.ScopeVnode,
	policy.ScopeGeneric: wire.ScopeGeneric,
}

// action is one action of a scope, or what is left of the scope.
type action struct {
	scope policy.Scope
	kauth string // the kernel's symbol, empty for the rest of the scope
	rows  []*policy.Row
}

// name is the action's index in C.
func (a *action) name() string {
	if a.kauth == "" {
		return "CELL_ACTION_" + upper(string(a.scope)) + "_OTHER"
	}
	return "CELL_ACTION_" + strings.TrimPrefix(a.kauth, "KAUTH_")
}

// requestName is a request's index in C.
func requestName(kauth string) string {
	return "CELL_REQ_" + strings.TrimPrefix(kauth, "KAUTH_REQ_")
}

// upper makes a name of the table part of a C constant.
func upper(s string) string {
	return strings.ToUpper(strings.NewReplacer(".", "_", "-", "_").Replace(s))
}

// actions lists every scope's actions in the table's order, the rest of the
// scope last. Index n is action number n+1.
func actions() []action {
	var list []action
	for _, s := range policy.Scopes {
		seen := map[string]bool{"": true}
		for i := range policy.Table {
			if a := policy.Table[i].Action; policy.Table[i].Scope == s && !seen[a] {
				seen[a] = true
				list = append(list, action{s, a, deciding(s, a)})
			}
		}
		list = append(list, action{s, "", deciding(s, "")})
	}
	return list
}

// deciding gives the rows that can decide an action, in the table's order. The
// last one takes every request: without it a request could find nothing.
func deciding(s policy.Scope, action string) []*policy.Row {
	var rows []*policy.Row
	for i := range policy.Table {
		row := &policy.Table[i]
		if row.Scope != s || row.Action != "" && row.Action != action {
			continue
		}
		rows = append(rows, row)
		if row.Request == "" && row.When == policy.IfAny {
			return rows
		}
	}
	panic(fmt.Sprintf("scope %s, action %q: no row takes every request", s, action))
}

// requests lists a scope's requests in the table's order.
func requests(s policy.Scope) []string {
	var list []string
	for i := range policy.Table {
		if r := policy.Table[i].Request; policy.Table[i].Scope == s && r != "" && !has(list, r) {
			list = append(list, r)
		}
	}
	return list
}

// numbers gives every request of every scope its index, from 1.
func numbers() map[string]int {
	n := map[string]int{}
	for _, s := range policy.Scopes {
		for _, r := range requests(s) {
			n[r] = len(n) + 1
		}
	}
	return n
}

// bit is a condition's bit number among the facts.
func bit(c policy.Condition) int {
	for i, v := range policy.Conditions {
		if v == c {
			return i
		}
	}
	panic(fmt.Sprintf("condition %d is not in policy.Conditions", c))
}
