// Package policy is the one table of what a cell may do: every kauth(9)
// request class, what each profile says of it, the permission that opens it
// and the Linux capabilities that stand for that permission.
//
// The kernel's bitmap, the module's C header, the emulator's filter, the
// policy reference in docs and `runcell explain` all come from this table.
package policy

//go:generate go run ./gen ../../docs/policy.md ../secmodel_cell/cell_table.h ../secmodel_cell/cell_rows.c

import "fmt"

// Profile is a cell's starting point: the published module's three levels.
// The numbers are those of struct cell_create's cc_profile.
type Profile uint8

const (
	Low    Profile = 0
	Medium Profile = 1
	High   Profile = 2
)

// Profiles lists every profile, the most permissive first.
var Profiles = [...]Profile{Low, Medium, High}

func (p Profile) String() string {
	switch p {
	case Low:
		return "low"
	case Medium:
		return "medium"
	case High:
		return "high"
	}
	return fmt.Sprintf("profile(%d)", uint8(p))
}

// ParseProfile reads a profile's name.
func ParseProfile(s string) (Profile, error) {
	for _, p := range Profiles {
		if s == p.String() {
			return p, nil
		}
	}
	return 0, fmt.Errorf("unknown profile %q (use low, medium or high)", s)
}

// Verdict is a listener's answer. Allow does not occur: a listener of ours
// denies or leaves the question to the rest of the system.
type Verdict uint8

const (
	Deny  Verdict = 1 // KAUTH_RESULT_DENY
	Defer Verdict = 2 // KAUTH_RESULT_DEFER
)

func (v Verdict) String() string {
	if v == Deny {
		return "deny"
	}
	return "defer"
}

// Permission is a bit in the bitmap handed to the kernel: a named group of
// request classes that a cell is allowed. Numbers are ABI: never reuse one.
type Permission uint8

// Set is a set of permissions, bit n for Permission n: the wire format of the
// module's policy node.
type Set uint64

// Has tells whether p is in s.
func (s Set) Has(p Permission) bool { return s&(1<<p) != 0 }

// With gives s with p added.
func (s Set) With(p Permission) Set { return s | 1<<p }

// Without gives s with p removed.
func (s Set) Without(p Permission) Set { return s &^ (1 << p) }
