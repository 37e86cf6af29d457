package oci

// Device nodes: the minimal /dev and what a configuration adds.

import (
	"fmt"
	"path"
	"strings"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// defaultDevices is the minimal /dev (config-linux.md, "Default Devices").
// /dev/console and the links fd, stdin, stdout and stderr are the runtime's.
var defaultDevices = [...]string{
	"/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom", "/dev/tty", "/dev/ptmx",
}

// hostNumber as a major or minor number is that of the host's node.
const hostNumber = -1

// deviceMode is the mode of the minimal /dev's nodes.
const deviceMode = 0o666

func (c *compiler) linuxDevice(field string, v any) {
	d := v.(specs.LinuxDevice)
	out := Device{Field: field, Path: d.Path, Type: d.Type, Major: d.Major, Minor: d.Minor, UID: d.UID, GID: d.GID}
	if d.FileMode != nil {
		mode := uint32(*d.FileMode) & 0o7777 // some tools leave the file type in
		out.Mode = &mode
	}
	if d.Type == "u" { // an unbuffered character device, of old
		out.Type = "c"
	}
	value := fmt.Sprintf("%s %d:%d", quote(d.Path), d.Major, d.Minor)
	switch {
	case out.Type != "c" && out.Type != "b" && out.Type != "p":
		c.invalid(field+".type", quote(d.Type), "must be c, b, u or p")
		return
	case out.Type != "p" && (d.Major < 0 || d.Minor < 0 || d.Major > 1<<32-1 || d.Minor > 1<<32-1):
		c.invalid(field, value, "a device has a major and a minor number, from 0")
		return
	}
	if !c.emulated() {
		out.Major, out.Minor = hostNumber, hostNumber
	}
	if !c.addDevice(out) {
		return
	}
	if out.Type == "p" || c.emulated() {
		c.exact(field, value, "")
		return
	}
	c.approximated(field, value, "the number is that of the host's node of the same path: NetBSD's ports number devices differently")
}

func (c *compiler) netbsdDevice(field string, v any) {
	d := v.(NetBSDDevice)
	out := Device{Field: field, Path: d.Path, Type: d.Type, Major: hostNumber, Minor: hostNumber, Mode: d.Mode, UID: d.UID, GID: d.GID}
	if out.Path != "" && !path.IsAbs(out.Path) {
		out.Path = "/dev/" + out.Path
	}
	switch out.Type {
	case "":
		out.Type = "c"
	case "c", "b":
	default:
		c.invalid(field+".type", quote(out.Type), "must be c or b")
		return
	}
	if c.addDevice(out) {
		c.exact(field, quote(out.Path), "")
	}
}

// addDevice checks what all devices have in common.
func (c *compiler) addDevice(d Device) bool {
	problem := insidePath(d.Path)
	if problem == "" && (path.Clean(d.Path) != d.Path || d.Path == "/") {
		problem = "must be the plain path of a file"
	}
	if problem != "" {
		c.invalid(d.Field+".path", quote(d.Path), problem)
		return false
	}
	if d.Mode != nil && *d.Mode > 0o7777 {
		c.invalid(d.Field, fmt.Sprintf("mode %#o", *d.Mode), "a mode has the bits 07777; JSON numbers are decimal (438 is 0666)")
		return false
	}
	for _, other := range c.plan.Devices {
		if other.Path == d.Path {
			c.invalid(d.Field+".path", quote(d.Path), "given before, by "+other.Field)
			return false
		}
	}
	c.plan.Devices = append(c.plan.Devices, d)
	return true
}

// settleDevices puts the minimal /dev before the configuration's devices,
// which replace a default of the same path.
func (c *compiler) settleDevices() {
	given := c.plan.Devices
	c.listDevices(given)
	list := make([]Device, 0, len(defaultDevices)+len(given))
	for _, p := range defaultDevices {
		if !hasDevice(given, p) {
			mode := uint32(deviceMode)
			list = append(list, Device{
				Field: "default", Path: p, Default: true, Type: "c", Major: hostNumber, Minor: hostNumber, Mode: &mode,
			})
		}
	}
	c.plan.Devices = append(list, given...)
	if s := c.f.Devices; s.Level == kmod.Absent && c.plan.Cell.Profile != policy.Low {
		c.approximated("devices", strings.Join(defaultDevices[:], " "), "made, but can't be opened"+because(s.Reason)+
			"; a program that needs one wants netbsd.cell.profile low")
	}
}

// listDevices opens to the cell the nodes that it could not open otherwise, each
// by its number. Where that can't be, one note refuses them: a privileged
// container of podman's lists a hundred.
func (c *compiler) listDevices(devices []Device) {
	var closed []*Device
	for i := range devices {
		if d := &devices[i]; !c.plan.Cell.Permissions.Has(policy.RawDevice) && !c.ordinary(*d) {
			closed = append(closed, d)
		}
	}
	if closed == nil {
		return
	}
	value := quote(closed[0].Path)
	if n := len(closed) - 1; n > 0 {
		value += " and " + plural(n, "other", "others")
	}
	why := "the cell could not open it" + because(c.f.DeviceList.Reason)
	switch {
	case len(closed) > kmod.MaxDevices:
		why = fmt.Sprintf("a cell can be opened %d devices, each by its number", kmod.MaxDevices)
	case c.f.DeviceList.Level != kmod.Absent:
		for _, d := range closed {
			d.Listed = true
		}
		if c.f.DeviceList.Level == kmod.Recorded {
			c.approximated(closed[0].Field, value, "the cell may open it; other devices are not kept from it here: "+c.f.DeviceList.Reason)
		}
		return
	}
	c.fatal(closed[0].Field, value, why+": remove it, or add \"raw-device\" to netbsd.cell.permissions "+
		"(annotation org.netbsd.cell.permissions=raw-device), which opens every device of the host that the cell has a node of")
}

// linuxOrdinary are the numbers of policy.OrdinaryDevices on the emulator's
// host; minor -1 is any. There a node is what its number says, not its path.
var linuxOrdinary = [...]struct{ major, minor int64 }{
	{1, 3}, {1, 5}, {1, 7}, {1, 8}, {1, 9}, {5, 0}, {5, 2}, {136, -1},
}

// ordinary tells whether every cell may open the device.
func (c *compiler) ordinary(d Device) bool {
	if d.Type != "c" {
		return d.Type == "p"
	}
	if c.emulated() && d.Major != hostNumber {
		for _, n := range linuxOrdinary {
			if n.major == d.Major && (n.minor == d.Minor || n.minor < 0) {
				return true
			}
		}
		return false
	}
	for _, name := range policy.OrdinaryDevices {
		if ok, _ := path.Match("/dev/"+name, d.Path); ok {
			return true
		}
	}
	return false
}

func hasDevice(list []Device, path string) bool {
	for _, d := range list {
		if d.Path == path {
			return true
		}
	}
	return false
}
