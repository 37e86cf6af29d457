package settings

// The table: what can be said, and in which words.

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/policy"
	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Settings is what was said. Nothing is the configuration's own.
type Settings struct {
	Command     []string // instead of the image's CMD, or of a bundle's process.args
	Entrypoint  []string // instead of the image's, and of its CMD
	Env         []string // NAME=VALUE
	User        string   // UID[:GID]
	Workdir     string
	Tty         bool
	Volumes     []Volume
	Profile     string
	Permissions []string
	Network     string
	Ports       []string
	Addresses   []string // INTERFACE=ADDRESS/LENGTH
	Rlimits     []specs.POSIXRlimit
	Processes   *uint64
}

// Any tells whether anything was said.
func (s *Settings) Any() bool { return !reflect.DeepEqual(*s, Settings{}) }

// Volume is a directory of the host that is seen in the container.
type Volume struct {
	Name        string // a named data directory; or else
	Source      string // a path of the host
	Destination string
	Readonly    bool
}

// Setting is a line of the table.
type Setting struct {
	Name  string
	Short string // a flag's second name, or empty
	Usage string // with the value's name between backquotes
	Many  bool   // it may be said again
	Alone bool   // it is said without a value
	set   func(*Settings, string) error
}

// Table is all that can be said of a container.
var Table = []Setting{
	{"entrypoint", "", "run `COMMAND` instead of the image's entry point and its arguments", false, false, (*Settings).entrypoint},
	{"env", "e", "set a variable, `NAME=VALUE`; NAME alone has runcell's own value", true, false, (*Settings).env},
	{"user", "u", "run as `UID[:GID]`, in numbers", false, false, (*Settings).user},
	{"workdir", "w", "start in `DIR`, an absolute path in the container", false, false, (*Settings).workdir},
	{"tty", "t", "give the program a terminal", false, true, func(s *Settings, _ string) error { s.Tty = true; return nil }},
	{"volume", "v", "show `SRC:DST[:ro]`: a directory or file of the host, or the data directory of that name", true, false, (*Settings).volume},
	{"profile", "", "start from the profile `high|medium|low`", false, false, text(func(s *Settings) *string { return &s.Profile }, checked(policy.ParseProfile))},
	{"permission", "", "open the permission `NAME`, or close -NAME", true, false, list(func(s *Settings) *[]string { return &s.Permissions }, permission)},
	{"network", "", "give it the network `host|addresses|none`", false, false, text(func(s *Settings) *string { return &s.Network }, checked(oci.ParseNetwork))},
	{"port", "p", "reserve `PORT`, as 8080, 8080/udp or 192.0.2.1:80/tcp", true, false, list(func(s *Settings) *[]string { return &s.Ports }, checked(oci.ParsePort))},
	{"address", "", "give it an address of its own, `INTERFACE=ADDRESS/LENGTH`", true, false, list(func(s *Settings) *[]string { return &s.Addresses }, checked(oci.ParseAddressPair))},
	{"ulimit", "", "limit each process, `NAME=SOFT[:HARD]`, as nofile=1024 or as=unlimited", true, false, (*Settings).ulimit},
	{"pids-limit", "", "limit the cell to `N` processes; 0 is no limit", false, false, (*Settings).pids},
	{"memory", "m", "refused: cells have no limit of `BYTES` for all of their memory", false, false, func(*Settings, string) error {
		return errors.New("cells have no limit of memory for all processes together: limit each one with ulimit as=BYTES or data=BYTES, and their number with pids-limit")
	}},
}

// Set takes a value that was said.
func (t Setting) Set(s *Settings, value string) error {
	if strings.ContainsRune(value, 0) {
		return fmt.Errorf("%s: a NUL character", t.Name)
	}
	if err := t.set(s, value); err != nil {
		return fmt.Errorf("%s: %w", t.Name, err)
	}
	return nil
}

// checked asks a parser of package oci's, so that what is wrong is told where it
// is said.
func checked[T any](parse func(string) (T, error)) func(string) error {
	return func(v string) error { _, err := parse(v); return err }
}

func permission(v string) error { _, _, err := oci.ParsePermission(v); return err }

func text(of func(*Settings) *string, check func(string) error) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		*of(s) = v
		return check(v)
	}
}

func list(of func(*Settings) *[]string, check func(string) error) func(*Settings, string) error {
	return func(s *Settings, v string) error {
		if v == "" || strings.ContainsAny(v, ", ") {
			return fmt.Errorf("%q: want one value; say it again for another", v)
		}
		*of(s) = append(*of(s), v)
		return check(v)
	}
}

func (s *Settings) entrypoint(v string) (err error) {
	s.Entrypoint, err = Words(v)
	return err
}

func (s *Settings) env(v string) error {
	name, _, given := strings.Cut(v, "=")
	if name == "" || !given {
		return fmt.Errorf("%q is not NAME=VALUE", v)
	}
	s.Env = append(s.Env, v)
	return nil
}

func (s *Settings) user(v string) error {
	_, _, _, err := ParseUser(v)
	s.User = v
	return err
}

func (s *Settings) workdir(v string) error {
	if !filepath.IsAbs(v) {
		return fmt.Errorf("%q is not an absolute path in the container", v)
	}
	s.Workdir = v
	return nil
}

// volume reads SRC:DST[:ro]. A source with a slash or a dot in front is a path.
func (s *Settings) volume(v string) error {
	parts := strings.Split(v, ":")
	var m Volume
	switch {
	case len(parts) == 3 && (parts[2] == "ro" || parts[2] == "rw"):
		m.Readonly = parts[2] == "ro"
	case len(parts) != 2:
		return fmt.Errorf("%q is not SRC:DST or SRC:DST:ro", v)
	}
	if m.Destination = filepath.Clean(parts[1]); !filepath.IsAbs(parts[1]) || m.Destination == "/" {
		return fmt.Errorf("%q: %q is not an absolute path below the container's root", v, parts[1])
	}
	for _, other := range s.Volumes {
		if other.Destination == m.Destination {
			return fmt.Errorf("%q: there are two on %s", v, m.Destination)
		}
	}
	if strings.ContainsAny(parts[0][:min(1, len(parts[0]))], "/.") {
		path, err := filepath.Abs(parts[0])
		if err != nil {
			return err
		}
		m.Source = path
	} else if m.Name = parts[0]; !isName(m.Name) {
		return fmt.Errorf("%q: %q is no path (it begins with / or .) and no name (letters, digits, _, - and .)", v, parts[0])
	}
	s.Volumes = append(s.Volumes, m)
	return nil
}

// isName tells whether a data directory can have the name.
func isName(name string) bool {
	const longest = 64
	return name != "" && len(name) <= longest && name[0] != '-' && name[0] != '.' && !strings.ContainsFunc(name, func(r rune) bool {
		return !('a' <= r && r <= 'z' || 'A' <= r && r <= 'Z' || '0' <= r && r <= '9' || r == '_' || r == '-' || r == '.')
	})
}

func (s *Settings) pids(v string) error {
	n, err := strconv.ParseUint(v, 10, 32)
	if err != nil {
		return fmt.Errorf("%q is not a number of processes; 0 is no limit", v)
	}
	s.Processes = &n
	return nil
}

// ulimit reads NAME=SOFT[:HARD].
func (s *Settings) ulimit(v string) error {
	name, values, ok := strings.Cut(v, "=")
	soft, hard, two := strings.Cut(values, ":")
	if !two {
		hard = soft
	}
	l := specs.POSIXRlimit{Type: "RLIMIT_" + strings.ToUpper(name)}
	var err, herr error
	l.Soft, err = limit(soft)
	l.Hard, herr = limit(hard)
	if !ok || name == "" || err != nil || herr != nil {
		return fmt.Errorf("%q is not NAME=SOFT[:HARD], in numbers or \"unlimited\"", v)
	}
	if l.Soft > l.Hard {
		return fmt.Errorf("%q: the first limit is above the second", v)
	}
	if err := oci.CheckLimit(name); err != nil {
		return err
	}
	s.Rlimits = append(s.Rlimits, l)
	return nil
}

// unlimited is RLIM_INFINITY as config.json has it.
const unlimited = ^uint64(0)

func limit(s string) (uint64, error) {
	if s == "unlimited" {
		return unlimited, nil
	}
	return strconv.ParseUint(s, 10, 63)
}
