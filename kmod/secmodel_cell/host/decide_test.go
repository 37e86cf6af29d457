package host

// The core in C gives the answers of the engine in Go.

import (
	"encoding/binary"
	"fmt"
	"maps"
	"path/filepath"
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
	policy.IfTakenPort:       "CELL_IF_TAKEN_PORT",
	policy.IfFPRegs:          "CELL_IF_FPREGS",
	policy.IfIoctl:           "CELL_IF_IOCTL",
	policy.IfListedDevice:    "CELL_IF_LISTED_DEVICE",
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
			for _, a := range r.Actions() {
				if r.Scope == s && !slices.Contains(actions, a) {
					actions = append(actions, a)
				}
			}
			if r.Scope == s && r.Request != "" {
				foreign = r.Request
			}
		}
		for _, a := range actions {
			q := asked{scope: s, action: a, requests: []string{"", "KAUTH_REQ_" + future, foreign}}
			for _, r := range policy.Table {
				if r.Scope != s || r.Action != "" && !slices.Contains(r.Actions(), a) {
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
							op: opDecide, a: uint32(scopeNumbers[a.scope]), b: uint32(i), c: uint32(cFacts),
							d: uint64(set), e: gone<<32 | number(request, 1<<31), more: number64(number(a.action, 1<<63)),
						},
					})
				}
			}
		}
	}
	return list
}

// number is the symbol's in our release; unknown if it has none.
func number(symbol string, unknown uint64) uint64 {
	if n, ok := allSymbols[symbol]; ok {
		return n
	}
	if symbol == "" {
		return 0
	}
	return unknown
}

func number64(n uint64) []byte { return binary.NativeEndian.AppendUint64(nil, n) }

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
				compared++
			}
		}
	}
	for i := range policy.Table {
		if row := &policy.Table[i]; !covered[row.Class] {
			t.Errorf("%s was never decided", row.Name)
		}
	}
	t.Logf("%d decisions compared, %d of %d rows", compared, len(covered), len(policy.Table))
}

// What is no scope at all is denied to members, and to nobody else.
func TestNoScope(t *testing.T) {
	c := startCore(t)
	names := defines(t, "cell_table.h")
	for _, scope := range []uint64{names["CELL_SCOPE_NONE"], names["CELL_SCOPE_MAX"], 1 << 31} {
		for caller := range uint32(3) {
			q := question{op: opDecide, a: uint32(scope), b: caller, c: ^uint32(0), d: ^uint64(0), e: 1<<32 - 1, more: number64(1)}
			want := names["CELL_CLASS_NONE"]<<16 | names["CELL_SCOPE_NONE"]<<8
			if caller == 0 {
				want |= 1
			}
			if got := c.ask(t, q)[0].Value; got != want {
				t.Errorf("scope %d of caller %d = %#x; want %#x", scope, caller, got, want)
			}
		}
	}
}

// The bits of the vnode scope that are looked at are all but those that every
// living cell may have.
func TestVnodeAsked(t *testing.T) {
	want := ^uint64(0)
	for symbol, n := range allSymbols {
		always := slices.ContainsFunc(policy.Table, func(r policy.Row) bool {
			return r.Opens == policy.Always && slices.Contains(r.Actions(), symbol)
		})
		sometimes := slices.ContainsFunc(policy.Table, func(r policy.Row) bool {
			return r.Opens != policy.Always && slices.Contains(r.Actions(), symbol)
		})
		if strings.HasPrefix(symbol, "KAUTH_VNODE_") && always && !sometimes {
			want &^= n
		}
	}
	if got := startCore(t).ask(t, question{op: opAsked})[0].Value; got != want {
		t.Errorf("cell_vnode_asked() = %#x; want %#x", got, want)
	}
}

// A symbol that every kernel has and this one lacks does not compile; one of
// those that only newer kernels have does.
func TestMissingSymbols(t *testing.T) {
	for i, tt := range []struct {
		name    string
		without []string
		want    string
	}{
		{"newer", policy.Newer[:], ""},
		{"an action", []string{"KAUTH_SYSTEM_INTR"}, "KAUTH_SYSTEM_INTR"},
		{"a request", []string{"KAUTH_REQ_SYSTEM_MOUNT_UMAP"}, "KAUTH_REQ_SYSTEM_MOUNT_UMAP"},
		{"a bit", []string{"KAUTH_VNODE_RENAME"}, "KAUTH_VNODE_RENAME"},
		{"a witness", []string{"KAUTH_SYSTEM_MODULE"}, "have.sh did not read"},
	} {
		err := compile("core_host.c", filepath.Join(tmp, fmt.Sprint("missing", i)), NewRelease(tt.without...))
		if tt.want == "" && err != nil || tt.want != "" && (err == nil || !strings.Contains(err.Error(), tt.want)) {
			t.Errorf("%s: compile without %v: %v; want an error with %q", tt.name, tt.without, err, tt.want)
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
