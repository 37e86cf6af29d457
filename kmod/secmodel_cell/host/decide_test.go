package host

// The core in C gives the answers of the engine in Go.

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/kmod/wire"
)

// factNames are the conditions in C, written a second time.
var factNames = map[policy.Condition]string{
	policy.IfOtherCell:       "CELL_IF_OTHER_CELL",
	policy.IfPrivileged:      "CELL_IF_PRIVILEGED",
	policy.IfSafeDevice:      "CELL_IF_SAFE_DEVICE",
	policy.IfReservedPort:    "CELL_IF_RESERVED_PORT",
	policy.IfRouteSocket:     "CELL_IF_ROUTE_SOCKET",
	policy.IfRawSocket:       "CELL_IF_RAW_SOCKET",
	policy.IfInetSocket:      "CELL_IF_INET_SOCKET",
	policy.IfProcessLimit:    "CELL_IF_PROCESS_LIMIT",
	policy.IfForeignAddress:  "CELL_IF_FOREIGN_ADDRESS",
	policy.IfWildcardAddress: "CELL_IF_WILDCARD_ADDRESS",
}

var scopeNumbers = map[policy.Scope]uint64{
	policy.ScopeSystem: wire.ScopeSystem, policy.ScopeProcess: wire.ScopeProcess, policy.ScopeNetwork: wire.ScopeNetwork,
	policy.ScopeDevice: wire.ScopeDevice, policy.ScopeMachdep: wire.ScopeMachdep, policy.ScopeVnode: wire.ScopeVnode,
	policy.ScopeGeneric: wire.ScopeGeneric,
}

// future is a symbol that the table does not know.
const future = "FROM_THE_FUTURE"

// asked is an action, and what can be asked of it.
type asked struct {
	scope    policy.Scope
	action   string
	requests []string
	facts    []policy.Condition // that a row of the action looks at
}

// everything lists all actions of the table and an unknown one of each scope.
func everything() []asked {
	var list []asked
	for _, s := range policy.Scopes {
		actions := []string{"KAUTH_" + future}
		var foreign string // a request of another action
		for _, r := range policy.Table {
			if r.Scope == s && r.Action != "" && !slices.Contains(actions, r.Action) {
				actions = append(actions, r.Action)
			}
			if r.Scope == s && r.Request != "" {
				foreign = r.Request
			}
		}
		for _, a := range actions {
			q := asked{scope: s, action: a, requests: []string{"", "KAUTH_REQ_" + future, foreign}}
			for _, r := range policy.Table {
				if r.Scope != s || r.Action != a {
					continue
				}
				if !slices.Contains(q.requests, r.Request) {
					q.requests = append(q.requests, r.Request)
				}
				if r.When != policy.IfAny && !slices.Contains(q.facts, r.When) {
					q.facts = append(q.facts, r.When)
				}
			}
			list = append(list, q)
		}
	}
	return list
}

// sets are permissions: each profile's, all, none, and each one alone open or
// alone closed.
func sets() []policy.Set {
	list := []policy.Set{0, policy.All(), ^policy.Set(0)}
	for _, p := range policy.Profiles {
		list = append(list, policy.Defaults(p))
	}
	for _, p := range policy.Permissions {
		list = append(list, policy.Set(0).With(p.Permission), policy.All().Without(p.Permission))
	}
	return list
}

// expected is a question in both languages.
type expected struct {
	policy.Request
	set policy.Set
	q   question
}

// combinations of facts, callers and permissions for one request. Facts that
// no row of the action looks at are there in every second one.
func (a *asked) combinations(names map[string]uint64, request string) []expected {
	var list []expected
	for bits := range 2 << len(a.facts) {
		var facts policy.Facts
		cFacts := uint64(0)
		for _, c := range policy.Conditions {
			on := bits&1 != 0
			if i := slices.Index(a.facts, c); i >= 0 {
				on = bits>>(i+1)&1 != 0
			}
			if on {
				facts.Assume(c)
				cFacts |= names[factNames[c]]
			}
		}
		for i, caller := range []policy.Caller{policy.InCell, policy.HostUser, policy.HostRoot} {
			for gone := range uint64(2) {
				facts.Caller, facts.Gone = caller, gone == 1
				for _, set := range sets() {
					list = append(list, expected{
						policy.Request{Scope: a.scope, Action: a.action, Request: request, Facts: facts},
						set,
						question{
							op: opDecide, a: uint32(a.number(names)), b: uint32(i), c: uint32(cFacts),
							d: uint64(set), e: gone<<32 | requestNumber(names, request),
						},
					})
				}
			}
		}
	}
	return list
}

// number is the action's in C.
func (a *asked) number(names map[string]uint64) uint64 {
	if n, ok := names["CELL_ACTION_"+strings.TrimPrefix(a.action, "KAUTH_")]; ok {
		return n
	}
	return names["CELL_ACTION_"+strings.ToUpper(string(a.scope))+"_OTHER"]
}

func requestNumber(names map[string]uint64, request string) uint64 {
	return names["CELL_REQ_"+strings.TrimPrefix(request, "KAUTH_REQ_")] // 0, none, if unknown
}

func TestCoreDecidesAsTheTable(t *testing.T) {
	c := startCore(t)
	names := defines(t, "cell_table.h")
	for _, cond := range policy.Conditions {
		if names[factNames[cond]] == 0 {
			t.Fatalf("condition %q has no fact in C", cond)
		}
	}
	covered := map[policy.Class]bool{}
	compared := 0
	for _, a := range everything() {
		wanted := uint64(0)
		for _, request := range a.requests {
			list := a.combinations(names, request)
			questions := make([]question, len(list))
			for i := range list {
				questions[i] = list[i].q
			}
			for i, got := range c.ask(t, questions...) {
				row := policy.Find(list[i].Request)
				deny := policy.Decide(policy.High, list[i].set, list[i].Request) == policy.Deny
				want := uint64(row.Class)<<16 | scopeNumbers[a.scope]<<8
				if deny {
					want |= 1
				}
				if got.Value != want {
					t.Fatalf("C: class %d, scope %d, deny %d; Go: %s (class %d), deny %v\n%+v with %#x",
						got.Value>>16, got.Value>>8&0xff, got.Value&1, row.Name, row.Class, deny, list[i].Request, uint64(list[i].set))
				}
				covered[row.Class] = true
				wanted |= names[factNames[row.When]]
				compared++
			}
		}
		if got := c.ask(t, question{op: opWanted, a: uint32(a.number(names))})[0].Value; got != wanted {
			t.Errorf("cell_facts_wanted(%s) = %#x; want %#x", a.action, got, wanted)
		}
	}
	for i := range policy.Table {
		if row := &policy.Table[i]; !covered[row.Class] {
			t.Errorf("%s was never decided", row.Name)
		}
	}
	t.Logf("%d decisions compared, %d of %d rows", compared, len(covered), len(policy.Table))
}

// What is no action at all is denied to members, and to nobody else.
func TestNoAction(t *testing.T) {
	c := startCore(t)
	names := defines(t, "cell_table.h")
	for _, action := range []uint64{0, names["CELL_ACTION_MAX"], names["CELL_ACTION_MAX"] + 1, 1 << 31, 1<<32 - 1} {
		for caller := range uint32(3) {
			q := question{op: opDecide, a: uint32(action), b: caller, c: ^uint32(0), d: ^uint64(0), e: 1<<32 - 1}
			want := names["CELL_CLASS_NONE"]<<16 | names["CELL_SCOPE_NONE"]<<8
			if caller == 0 {
				want |= 1
			}
			if got := c.ask(t, q)[0].Value; got != want {
				t.Errorf("action %d of caller %d = %#x; want %#x", action, caller, got, want)
			}
		}
		if got := c.ask(t, question{op: opWanted, a: uint32(action)})[0].Value; got != 0 {
			t.Errorf("cell_facts_wanted(%d) = %#x; want 0", action, got)
		}
	}
}

func TestConstants(t *testing.T) {
	c := startCore(t)
	names := defines(t, "cell_table.h")
	for n := range uint32(300) {
		want := uint64(0)
		if n <= uint32(policy.High) {
			want = uint64(policy.Defaults(policy.Profile(n)))
		}
		if got := c.ask(t, question{op: opProfile, a: n})[0].Value; got != want {
			t.Errorf("cell_profile_permissions(%d) = %#x; want %#x", n, got, want)
		}
	}
	upper := strings.NewReplacer("-", "_", ".", "_")
	want := map[string]uint64{"CELL_PERM_ALL": uint64(policy.All())}
	for _, p := range policy.Permissions {
		want["CELL_PERM_"+strings.ToUpper(upper.Replace(p.Name))] = uint64(p.Permission)
	}
	for _, r := range policy.Table {
		want["CELL_CLASS_"+strings.ToUpper(upper.Replace(r.Name))] = uint64(r.Class)
	}
	for s, n := range scopeNumbers {
		want["CELL_SCOPE_"+strings.ToUpper(string(s))] = n
	}
	for _, name := range slices.Sorted(maps.Keys(want)) {
		if got, ok := names[name]; !ok || got != want[name] {
			t.Errorf("%s = %d, %v; want %d", name, got, ok, want[name])
		}
	}
}
