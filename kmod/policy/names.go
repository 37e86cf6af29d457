package policy

// Names of permissions and profiles: printing, parsing, JSON.

import (
	"fmt"
	"strings"
)

// Info describes p; nil for a number that is no permission.
func (p Permission) Info() *PermissionInfo {
	if int(p) >= len(Permissions) {
		return nil
	}
	return &Permissions[p]
}

func (p Permission) String() string {
	switch {
	case p == Always:
		return "always"
	case p == Never:
		return "never"
	case p.Info() == nil:
		return fmt.Sprintf("permission(%d)", uint8(p))
	}
	return p.Info().Name
}

// ParsePermission reads a permission's name.
func ParsePermission(s string) (Permission, error) {
	for i := range Permissions {
		if Permissions[i].Name == s {
			return Permissions[i].Permission, nil
		}
	}
	if len(s) > 64 {
		s = s[:64] + "..."
	}
	return 0, fmt.Errorf("unknown permission %q (use one of %s)", s, All())
}

// ParsePermissions reads names separated by commas; spaces around them and
// empty parts do not count.
func ParsePermissions(s string) (Set, error) {
	var set Set
	for part := range strings.SplitSeq(s, ",") {
		part = strings.TrimSpace(part)
		if part == "" {
			continue
		}
		p, err := ParsePermission(part)
		if err != nil {
			return 0, err
		}
		set = set.With(p)
	}
	return set, nil
}

// All is the set of every permission.
func All() Set { return 1<<len(Permissions) - 1 }

// List gives the set's permissions in bit order, unknown bits included.
func (s Set) List() []Permission {
	var list []Permission
	for p := range Permission(64) {
		if s.Has(p) {
			list = append(list, p)
		}
	}
	return list
}

// Names gives the names of the set's permissions in bit order.
func (s Set) Names() []string {
	list := s.List()
	names := make([]string, len(list))
	for i, p := range list {
		names[i] = p.String()
	}
	return names
}

// String lists the names, separated by commas.
func (s Set) String() string { return strings.Join(s.Names(), ",") }

// MarshalText gives the profile's name.
func (p Profile) MarshalText() ([]byte, error) {
	if p > High {
		return nil, fmt.Errorf("marshal profile: no profile %d", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads a profile's name.
func (p *Profile) UnmarshalText(b []byte) error {
	v, err := ParseProfile(string(b))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// MarshalText gives the permission's name.
func (p Permission) MarshalText() ([]byte, error) {
	if p.Info() == nil {
		return nil, fmt.Errorf("marshal permission: no permission %d", uint8(p))
	}
	return []byte(p.String()), nil
}

// UnmarshalText reads a permission's name.
func (p *Permission) UnmarshalText(b []byte) error {
	v, err := ParsePermission(string(b))
	if err != nil {
		return err
	}
	*p = v
	return nil
}

// MarshalText gives the verdict's name.
func (v Verdict) MarshalText() ([]byte, error) { return []byte(v.String()), nil }
