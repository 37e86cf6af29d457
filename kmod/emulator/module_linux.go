package emulator

// Which secmodel_cell the emulator stands in for. All cells of a state root are
// of one module, as a machine has one loaded: the first cell decides, and the
// state file says which.

import (
	"fmt"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// Module is a kernel module that the emulator behaves as.
type Module string

const (
	// Current is this project's module.
	Current Module = "current"
	// Published is the published one: three profiles, no device nodes at
	// medium and high, ports without addresses, and no more.
	Published Module = "published"
)

// ParseModule reads a module's name; empty is whichever the cells have.
func ParseModule(s string) (Module, error) {
	switch m := Module(s); m {
	case Current, Published, "":
		return m, nil
	}
	return "", fmt.Errorf("unknown module %q (use %s or %s)", s, Current, Published)
}

// is tells whether a module is the client's.
func (c *Client) is(m Module) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.module == m
}

// agree holds the client to the module that cells are of.
func (c *Client) agree(m Module) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.module == "" {
		c.module = m
	}
	if c.module != m {
		return fmt.Errorf("the cells below %s are the %s module's, not the %s one's: delete them, or do not ask for another module",
			c.root, m, c.module)
	}
	return nil
}

// decided gives the module, from here on Current unless something else was
// asked for or found.
func (c *Client) decided() Module {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.module == "" {
		c.module = Current
	}
	return c.module
}

// find gives the module after a look at the cells.
func (c *Client) find() (Module, error) {
	if _, err := c.meet(); err != nil {
		return "", err
	}
	return c.decided(), nil
}

// published is what the emulator can do as the published module.
func published() kmod.Features {
	f := kmod.Published()
	f.Backend, f.Profiles, f.Ports, f.Platforms = "emulator", seccomp(), bindHooks(), platforms()
	if err := deviceHook(); err != nil {
		f.Devices.Reason += "; on this host they can be opened all the same, as the emulator could not close them: " + err.Error()
	}
	return f
}

// withoutDevices tells whether the module keeps a cell from device nodes.
func (m Module) withoutDevices(s *kmod.Spec) bool { return m == Published && s.Profile != policy.Low }
