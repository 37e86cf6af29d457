package settings

// Putting what was said into a configuration.

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/oci"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// Place is what the configuration is in.
type Place struct {
	Data string // where named data directories lie, absolute
	Term string // TERM of a program with a terminal; empty = a common one
	// Entrypoint is how many of process.args are the image's entry point, which
	// a command of one's own leaves.
	Entrypoint int
}

// Apply changes the configuration. An error names the field that is not there.
func (s *Settings) Apply(cfg *oci.Config, at Place) error {
	if cfg.Process == nil {
		return errors.New("config.json: process is missing: name a program in process.args")
	}
	for _, f := range []func(*oci.Config, Place) error{s.program, s.identity, s.environment, s.limits, s.mounts, s.cell} {
		if err := f(cfg, at); err != nil {
			return err
		}
	}
	return nil
}

func (s *Settings) program(cfg *oci.Config, at Place) error {
	p := cfg.Process
	switch {
	case s.Entrypoint != nil:
		p.Args = slices.Concat(s.Entrypoint, s.Command)
	case s.Command != nil:
		p.Args = slices.Concat(p.Args[:min(at.Entrypoint, len(p.Args))], s.Command)
	}
	if s.Workdir != "" {
		p.Cwd = s.Workdir
	}
	p.Terminal = p.Terminal || s.Tty
	return nil
}

// identity: HOME is another one's then, and the groups are.
func (s *Settings) identity(cfg *oci.Config, _ Place) error {
	if s.User == "" {
		return nil
	}
	uid, gid, hasGID, err := ParseUser(s.User)
	if err != nil {
		return err
	}
	u := specs.User{UID: uid, GID: cfg.Process.User.GID, Umask: cfg.Process.User.Umask}
	if hasGID {
		u.GID = gid
	}
	if uid != cfg.Process.User.UID {
		cfg.Process.Env = without(cfg.Process.Env, "HOME")
	}
	cfg.Process.User = u
	return nil
}

// commonTerm is what most terminals are good enough for.
const commonTerm = "xterm"

func (s *Settings) environment(cfg *oci.Config, at Place) (err error) {
	p := cfg.Process
	if p.Env, err = SetEnv(p.Env, s.Env); err != nil {
		return err
	}
	if s.Tty && len(without(p.Env, "TERM")) == len(p.Env) {
		term := at.Term
		if !isName(term) {
			term = commonTerm
		}
		p.Env = append(p.Env, "TERM="+term)
	}
	return nil
}

func without(env []string, name string) []string {
	return slices.DeleteFunc(slices.Clone(env), func(v string) bool { return strings.HasPrefix(v, name+"=") })
}

// SetEnv adds variables and replaces those of the same name: of two, getenv(3)
// gives the first and a shell the last.
func SetEnv(env, set []string) ([]string, error) {
	out := append([]string(nil), env...)
	for _, v := range set {
		name, _, ok := strings.Cut(v, "=")
		if !ok || name == "" || strings.ContainsRune(v, 0) {
			return nil, fmt.Errorf("--env %q is not NAME=VALUE", v)
		}
		out = append(without(out, name), v)
	}
	return out, nil
}

func (s *Settings) limits(cfg *oci.Config, _ Place) error {
	for _, l := range s.Rlimits {
		cfg.Process.Rlimits = append(slices.DeleteFunc(slices.Clone(cfg.Process.Rlimits), func(old specs.POSIXRlimit) bool { return old.Type == l.Type }), l)
	}
	return nil
}

// mounts: one that the configuration has at the same place gives way.
func (s *Settings) mounts(cfg *oci.Config, at Place) error {
	for _, v := range s.Volumes {
		source, mode := v.Source, "rw"
		if v.Name != "" {
			source = filepath.Join(at.Data, v.Name)
		}
		if v.Readonly {
			mode = "ro"
		}
		cfg.Mounts = slices.DeleteFunc(slices.Clone(cfg.Mounts), func(m specs.Mount) bool { return filepath.Clean(m.Destination) == v.Destination })
		cfg.Mounts = append(cfg.Mounts, specs.Mount{Destination: v.Destination, Type: "bind", Source: source, Options: []string{"bind", mode, "nosuid", "nodev"}})
	}
	return nil
}

// cell: lists are longer by what was said, single values are what was said. They
// go where the configuration has them already, in the netbsd section or in an
// annotation, which must not disagree.
func (s *Settings) cell(cfg *oci.Config, _ Place) error {
	own := oci.NetBSDCell{}
	if cfg.NetBSD != nil && cfg.NetBSD.Cell != nil {
		own = *cfg.NetBSD.Cell
	}
	c := cell{cfg, &own, false}
	c.single("profile", &own.Profile, s.Profile)
	c.single("network", &own.Network, s.Network)
	c.many("permissions", &own.Permissions, s.Permissions)
	c.many("reserved-ports", &own.ReservedPorts, s.Ports)
	if s.Processes != nil {
		c.drop("max-processes")
		own.MaxProcesses = s.Processes
	}
	for _, pair := range s.Addresses {
		iface, address, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("address %q is not INTERFACE=ADDRESS/LENGTH, such as wm0=192.0.2.10/24", pair)
		}
		if old := c.take("addresses"); old != "" {
			return fmt.Errorf("address %q: the annotation %saddresses has some already: take it away", pair, oci.AnnotationPrefix)
		}
		own.Addresses = append(slices.Clone(own.Addresses), oci.NetBSDAddress{Interface: iface, Address: address})
		c.changed = true
	}
	if c.changed {
		section := oci.NetBSD{Cell: &own}
		if cfg.NetBSD != nil {
			section.Devices = cfg.NetBSD.Devices
		}
		cfg.NetBSD = &section
	}
	return nil
}

// cell is the netbsd section that is being changed.
type cell struct {
	cfg     *oci.Config
	own     *oci.NetBSDCell
	changed bool
}

func (c *cell) take(name string) string { return c.cfg.Annotations[oci.AnnotationPrefix+name] }

func (c *cell) drop(name string) {
	delete(c.cfg.Annotations, oci.AnnotationPrefix+name)
	c.changed = true
}

func (c *cell) single(name string, to *string, value string) {
	if value != "" {
		c.drop(name)
		*to = value
	}
}

func (c *cell) many(name string, to *[]string, values []string) {
	if len(values) == 0 {
		return
	}
	if old := c.take(name); old != "" {
		for _, v := range strings.Split(old, ",") {
			*to = appendNew(*to, strings.TrimSpace(v))
		}
	}
	for _, v := range values {
		*to = appendNew(*to, v)
	}
	c.drop(name)
}

func appendNew(list []string, v string) []string {
	if slices.Contains(list, v) {
		return list
	}
	return append(slices.Clone(list), v)
}
