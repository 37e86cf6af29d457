package kmod

// Creating, listing and destroying cells, through the client.

import (
	"fmt"
	"net/netip"
	"path/filepath"
	"slices"
	"strings"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

var create = slices.Concat(
	badSpecs,
	[]harness.Case{
		{
			Name: "create/root-missing", Clause: "node create: namei(9)", Does: "a root that does not exist is ENOENT",
			Run: in(func(w *world) {
				refuseSpec(w, unix.ENOENT, func(s *kmod.Spec) { s.Root = filepath.Join(w.root, "missing") })
			}),
		},
		{
			Name: "create/root-below-file", Clause: "node create: namei(9)", Does: "a root below a file is ENOTDIR",
			Run: in(func(w *world) {
				refuseSpec(w, unix.ENOTDIR, func(s *kmod.Spec) { s.Root = filepath.Join(w.root, "probe", "x") })
			}),
		},
		{
			Name: "create/root-loop", Clause: "node create: namei(9)", Does: "a root behind a circle of symbolic links is ELOOP",
			Run: in(func(w *world) {
				loop := w.Path("loop")
				w.Must("make symbolic link", unix.Symlink(loop, loop))
				refuseSpec(w, unix.ELOOP, func(s *kmod.Spec) { s.Root = loop })
			}),
		},
		{
			Name: "create/root-file", Clause: "node create: ENOTDIR", Does: "a root that is a file is ENOTDIR",
			Run: in(func(w *world) {
				refuseSpec(w, unix.ENOTDIR, func(s *kmod.Spec) { s.Root = filepath.Join(w.root, "probe") })
			}),
		},
		{
			Name: "create/name-taken", Clause: "node create: EEXIST", Does: "a name belongs to one cell until it is destroyed",
			Run: in(func(w *world) {
				s := w.high(nil)
				id := w.cell(s)
				_, err := w.make(s)
				w.wantError("create with a name in use", err, kmod.ErrExists)
				w.destroy(id)
				if _, err := w.make(s); err != nil {
					w.Errorf("create with the name of a destroyed cell: %v", err)
				}
			}),
		},
		{
			Name: "create/port-taken", Clause: "node create: EEXIST", Does: "a reserved port belongs to one cell until it is destroyed",
			Run: in(func(w *world) {
				w.needs(ports)
				s := w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 8080}, {Port: 8081}} })
				id := w.cell(s)
				s.Name, s.Ports = w.name(), s.Ports[1:]
				_, err := w.make(s)
				w.wantError("create with a reserved port", err, kmod.ErrPortInUse)
				w.destroy(id)
				if _, err := w.make(s); err != nil {
					w.Errorf("create with the port of a destroyed cell: %v", err)
				}
			}),
		},
		{
			Name: "create/port-overlap", Clause: "node policy: EEXIST", Does: "a port is taken where address and protocol overlap, and only there",
			Run: in(portOverlap),
		},
		{
			Name: "create/ids", Clause: "node create", Does: "ids grow, and none is used again",
			Run: in(func(w *world) {
				last := kmod.ID(0)
				for i := range 6 {
					id := w.cell(w.high(nil))
					if id <= last {
						w.Errorf("id %d after %d", id, last)
					}
					last = id
					if i%2 == 1 {
						w.destroy(id)
					}
				}
			}),
		},
		{
			Name: "create/long-name-and-root", Clause: "node create", Does: "a name of 63 bytes and a root of 255 are taken and listed whole",
			Run: in(func(w *world) {
				root := w.root + "/" + strings.Repeat("./", (kmod.MaxRoot-len(w.root)-1)/2)
				root += strings.Repeat("/", kmod.MaxRoot-len(root))
				s := w.high(func(s *kmod.Spec) { s.Name += strings.Repeat("n", kmod.MaxName-len(s.Name)); s.Root = root })
				id := w.cell(s)
				if info := w.listed(id); info.Name != s.Name || info.Root != s.Root {
					w.Errorf("listed are name %q, root %q; want %q, %q", info.Name, info.Root, s.Name, s.Root)
				}
			}),
		},
		{
			Name: "destroy/unknown", Clause: "node destroy: ENOENT", Does: "a cell that is not there is ENOENT",
			Run: in(func(w *world) {
				id := w.cell(w.high(nil))
				w.destroy(id)
				w.wantError("destroy twice", w.k.Destroy(id), kmod.ErrNotFound)
				w.wantError("destroy a cell to come", w.k.Destroy(1<<32-1), kmod.ErrNotFound)
			}),
		},
		{
			Name: "destroy/busy", Clause: "node destroy: EBUSY", Does: "a cell with a process is EBUSY, and the process lives on",
			Run: in(func(w *world) {
				id := w.cell(w.high(nil))
				x := w.waiter(id)
				w.wantError("destroy", w.k.Destroy(id), kmod.ErrBusy)
				if ws := x.end(); !ws.Exited() {
					w.Errorf("the process ended with %#x", ws)
				}
				w.destroy(id)
			}),
		},
		{
			Name: "destroy/zombie", Clause: "node destroy: EBUSY", Does: "an ended process counts until it is reaped",
			Run: in(func(w *world) {
				id := w.cell(w.high(nil))
				x := w.waiter(id)
				x.letGo()
				w.Eventually(func() bool { return ended(x.pid) }, "the process has not ended")
				err := w.k.Destroy(id)
				w.reap(x.pid)
				w.wantError("destroy with a zombie", err, kmod.ErrBusy)
				w.Must("destroy once it is reaped", w.destroyLater(id))
			}),
		},
		{
			Name: "list/order", Clause: "node list", Does: "the newest cell comes first, with its name, root and time",
			Run: in(listOrder),
		},
		{
			Name: "list/processes", Clause: "node list", Does: "the processes of a cell are counted",
			Run: in(func(w *world) {
				id := w.cell(w.high(nil))
				for range 3 {
					w.waiter(id)
				}
				w.Eventually(func() bool { return w.listed(id).Processes == 3 }, "the list does not say 3 processes")
			}),
		},
		{
			Name: "list/other-user", Clause: "node list", Does: "any user of the host may list cells",
			Run: in(func(w *world) {
				id := w.cell(w.high(nil))
				r := w.unconfined(1000).try("list", w.Root)
				if r.Errno != "" || !slices.Contains(r.Pids, int(id)) {
					w.Errorf("list as user 1000 = %v, %s (%s); want cell %d", r.Pids, r.Result(), r.Detail, id)
				}
			}),
		},
		{
			Name: "list/inside", Clause: "node list: EPERM", Does: "inside a cell the list is EPERM",
			Run: in(func(w *world) {
				w.agent(w.cell(w.high(nil)), entry{}).want("EPERM", "list", w.Root)
			}),
		},
	},
)

// badSpecs are what create refuses as EINVAL.
var badSpecs = func() []harness.Case {
	var cases []harness.Case
	for _, bad := range []struct {
		name, does string
		change     func(*kmod.Spec)
	}{
		{"name-empty", "an empty name is EINVAL", func(s *kmod.Spec) { s.Name = "" }},
		{"name-slash", "a slash in the name is EINVAL", func(s *kmod.Spec) { s.Name = "a/b" }},
		{"name-plus", "a plus in the name is EINVAL", func(s *kmod.Spec) { s.Name = "a+b" }},
		{"name-space", "a space in the name is EINVAL", func(s *kmod.Spec) { s.Name = "a b" }},
		{"name-8bit", "a letter outside ASCII in the name is EINVAL", func(s *kmod.Spec) { s.Name = "é" }},
		{"name-long", "a name of 64 bytes is EINVAL", func(s *kmod.Spec) { s.Name = strings.Repeat("n", 64) }},
		{"root-empty", "an empty root is EINVAL", func(s *kmod.Spec) { s.Root = "" }},
		{"root-relative", "a relative root is EINVAL", func(s *kmod.Spec) { s.Root = "tmp" }},
		{"root-control", "a control character in the root is EINVAL", func(s *kmod.Spec) { s.Root += "/\n" }},
		{"root-long", "a root of 256 bytes is EINVAL", func(s *kmod.Spec) { s.Root += strings.Repeat("/", 256-len(s.Root)) }},
		{"profile", "a profile that does not exist is EINVAL", func(s *kmod.Spec) { s.Profile = 3 }},
		{"port-zero", "port 0 can't be reserved: EINVAL", func(s *kmod.Spec) { s.Ports = []kmod.Port{{}} }},
		{"port-twice", "a port given twice is EINVAL", func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 80}, {Port: 80}} }},
		{"port-many", "33 reserved ports are EINVAL", func(s *kmod.Spec) {
			for i := range uint16(33) {
				s.Ports = append(s.Ports, kmod.Port{Port: 9000 + i})
			}
		}},
		{"port-protocol", "a port of a protocol that has none is EINVAL", func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 80, Proto: "icmp"}} }},
		{"network", "a network that does not exist is EINVAL", func(s *kmod.Spec) { s.Network = "bridge" }},
		{"addresses-none", "the network of own addresses without an address is EINVAL", func(s *kmod.Spec) { s.Network = kmod.NetworkAddresses }},
		{"addresses-host", "addresses with the host's network are EINVAL", func(s *kmod.Spec) { s.Addresses = []netip.Addr{loopback} }},
		{"address-wildcard", "a wildcard is no address of a cell: EINVAL", func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{netip.IPv4Unspecified()}
		}},
		{"address-mapped", "an IPv4-mapped address is EINVAL", func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{netip.AddrFrom16(loopback.As16())}
		}},
		{"address-twice", "an address given twice is EINVAL", func(s *kmod.Spec) {
			s.Network, s.Addresses = kmod.NetworkAddresses, []netip.Addr{loopback, loopback}
		}},
		{"permission", "a permission that does not exist is EINVAL", func(s *kmod.Spec) { s.Permissions = s.Permissions.With(63) }},
	} {
		cases = append(cases, harness.Case{
			Name: "create/" + bad.name, Clause: "nodes create, policy: EINVAL", Does: bad.does,
			Run: in(func(w *world) { refuseSpec(w, unix.EINVAL, bad.change) }),
		})
	}
	return cases
}()

// loopback is an address that every host has.
var loopback = netip.AddrFrom4([4]byte{127, 0, 0, 1})

// refuseSpec wants an error of create, and no cell.
func refuseSpec(w *world, want error, change func(*kmod.Spec)) {
	s := w.high(change)
	id, err := w.make(s)
	w.wantError(fmt.Sprintf("create %+v", s), err, want)
	if err != nil && id != 0 {
		w.Errorf("create gives id %d with its error", id)
	}
}

func portOverlap(w *world) {
	w.needs(portAddress)
	a, b := loopback, loopback.Next()
	w.cell(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{{Port: 8080, Addr: a, Proto: "tcp"}} }))
	for _, x := range []struct {
		port kmod.Port
		want error
	}{
		{kmod.Port{Port: 8080}, kmod.ErrPortInUse},
		{kmod.Port{Port: 8080, Proto: "tcp"}, kmod.ErrPortInUse},
		{kmod.Port{Port: 8080, Addr: a}, kmod.ErrPortInUse},
		{kmod.Port{Port: 8080, Addr: a, Proto: "tcp"}, kmod.ErrPortInUse},
		{kmod.Port{Port: 8080, Proto: "udp"}, nil},
		{kmod.Port{Port: 8080, Addr: a, Proto: "udp"}, nil},
		{kmod.Port{Port: 8080, Addr: b}, nil},
		{kmod.Port{Port: 8080, Addr: netip.IPv6Loopback(), Proto: "tcp"}, nil},
		{kmod.Port{Port: 8081, Addr: a, Proto: "tcp"}, nil},
	} {
		id, err := w.make(w.high(func(s *kmod.Spec) { s.Ports = []kmod.Port{x.port} }))
		w.wantError(fmt.Sprintf("reserve %v beside %v", x.port, kmod.Port{Port: 8080, Addr: a, Proto: "tcp"}), err, x.want)
		if err == nil {
			w.destroy(id)
		}
	}
}

// listed finds a cell in the list; the case ends if it is not there.
func (w *world) listed(id kmod.ID) kmod.Info {
	cells, err := w.k.List()
	w.Must("list cells", err)
	i := slices.IndexFunc(cells, func(c kmod.Info) bool { return c.ID == id })
	if i < 0 {
		w.Fatalf("cell %d is not in the list %v", id, cells)
	}
	return cells[i]
}

func listOrder(w *world) {
	var ids []kmod.ID
	var specs []kmod.Spec
	for _, p := range policy.Profiles {
		s := w.spec(p)
		ids, specs = append(ids, w.cell(s)), append(specs, s)
	}
	cells, err := w.k.List()
	w.Must("list cells", err)
	cells = slices.DeleteFunc(cells, func(c kmod.Info) bool { return !slices.Contains(ids, c.ID) })
	if len(cells) != len(ids) {
		w.Fatalf("list has %v of the cells %v", cells, ids)
	}
	slices.Reverse(cells)
	for i, c := range cells {
		if c.ID != ids[i] || c.Name != specs[i].Name || c.Root != specs[i].Root || c.Created <= 0 || c.Processes != 0 {
			w.Errorf("from the end, entry %d is %+v; want cell %d, %q, %q, no processes", i, c, ids[i], specs[i].Name, specs[i].Root)
		}
		if i > 0 && c.Created < cells[i-1].Created {
			w.Errorf("cell %d was made at %s, the one before at %s", c.ID, c.Created, cells[i-1].Created)
		}
	}
}
