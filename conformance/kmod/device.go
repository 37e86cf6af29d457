package kmod

// Device nodes: the ordinary ones at every profile, others by permission.

import (
	"bytes"
	"os"
	"path/filepath"

	"github.com/netbsd-cells/runcell/conformance/harness"
	"github.com/netbsd-cells/runcell/conformance/kmod/agent"
	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
	"golang.org/x/sys/unix"
)

func devices(f kmod.Features) kmod.Support { return f.Devices }

var deviceCases = []harness.Case{
	ordinary("null", "is empty, and swallows all"), ordinary("zero", "gives zeros"), ordinary("full", "has no room"),
	ordinary("random", "gives bytes"), ordinary("urandom", "gives bytes"), ordinary("tty", "is as on the host"),
	{
		Name: "device/anywhere", Clause: "class device.rawio_spec.rw.ordinary", Does: "it is the number that counts, not the name",
		Run: in(func(w *world) {
			w.needs(devices)
			w.Must("make node", copyNode("/dev/null", filepath.Join(w.root, "tmp/elsewhere")))
			w.agent(w.cell(w.high(nil)), entry{}).want("ok", "open", "/tmp/elsewhere", "rw")
		}),
	},
	{
		Name: "device/pty", Clause: "class device.tty_open.ordinary", Does: "a cell makes pseudo-terminals, at every profile and as any user",
		Run: in(func(w *world) {
			w.needs(devices)
			w.withPts()
			for _, p := range policy.Profiles {
				id := w.cell(w.spec(p))
				for _, uid := range []int{0, 1000} {
					m := w.agent(id, entry{uid: uid})
					for range 3 {
						m.want("ok", "pty")
					}
				}
			}
		}),
	},
	raw("memory", "/dev/mem", "the machine's memory"),
	raw("kernel-memory", "/dev/kmem", "the kernel's memory"),
	raw("disk", "", "a disk"),
	{
		Name: "device/listed", Clause: "class device.rawio_spec.rw.listed", Does: "a device that the policy lists opens under every name, and its siblings do not", OS: netbsd,
		Else: "the emulator lists none: a cell opens every node that it has",
		Run: in(func(w *world) {
			var st unix.Stat_t
			w.Must("look at /dev/mem", unix.Stat("/dev/mem", &st))
			w.Must("make node", copyNode("/dev/mem", filepath.Join(w.root, "tmp/elsewhere")))
			w.Must("make node", agent.MakeNode(filepath.Join(w.root, "tmp/block"), unix.S_IFBLK|0o666, st.Rdev))
			for _, p := range []policy.Profile{policy.High, policy.Medium} {
				s := w.spec(p)
				s.Devices = []kmod.Device{{Type: "c", Major: unix.Major(st.Rdev), Minor: unix.Minor(st.Rdev)}}
				id := w.cell(s)
				m, other := w.agent(id, entry{}), w.agent(w.cell(w.spec(p)), entry{})
				w.wantDevice(m, "/dev/mem", true)
				w.wantDevice(m, "/tmp/elsewhere", true)
				w.wantDevice(m, "/dev/kmem", false)
				w.wantDevice(m, "/tmp/block", false)
				w.wantDevice(m, "/dev/"+filepath.Base(w.openable(rawDisk())), false)
				w.wantDevice(other, "/dev/mem", false)
				w.Must("limit processes", w.k.Limit(id, 9))
				w.wantDevice(m, "/dev/mem", true)
				w.wantDevice(m, "/dev/kmem", false)
			}
		}),
	},
	{
		Name: "device/disguised", Clause: "class device.rawio_spec.read", Does: "a disk under an ordinary device's name is a disk",
		Run: in(func(w *world) {
			w.needs(devices)
			disk := w.openable(rawDisk())
			name := filepath.Join(w.root, "dev/null")
			w.Must("remove node", os.Remove(name))
			w.Must("make node", copyNode(disk, name))
			m := w.agent(w.cell(w.high(nil)), entry{})
			for _, mode := range []string{"r", "rw"} {
				m.want("EPERM", "open", "/dev/null", mode)
			}
		}),
	},
}

// ordinary makes a case for a device that every cell can open.
func ordinary(name, does string) harness.Case {
	return harness.Case{
		Name: "device/" + name, Clause: "class device.rawio_spec.rw.ordinary", Does: "/dev/" + name + " opens at every profile; it " + does,
		Run: in(func(w *world) {
			path := "/dev/" + name
			if _, err := os.Lstat(w.root + path); err != nil {
				w.Skipf("this host has no %s", path)
			}
			w.needs(devices)
			host := w.onHost(0)
			for _, p := range policy.Profiles {
				id := w.cell(w.spec(p))
				for _, uid := range []int{0, 1000} {
					m := w.agent(id, entry{uid: uid})
					for _, mode := range []string{"r", "w", "rw"} {
						m.want(host.try("open", path, mode).Result(), "open", path, mode)
					}
					if name != "random" && name != "urandom" { // feeding them takes a permission of its own
						m.want(host.try("write", path).Result(), "write", path)
					}
					w.wantRead(m, host, path)
				}
			}
		}),
	}
}

// wantRead checks that a member reads from a device what the host does.
func (w *world) wantRead(m, host *member, path string) {
	if path == "/dev/random" { // may block on a young system
		return
	}
	want := host.try("read", path)
	got := m.want(want.Result(), "read", path)
	random := path == "/dev/urandom"
	if got.Size != want.Size || random == bytes.Equal(got.Bytes, want.Bytes) && want.Size > 0 {
		w.Errorf("read %s = %d bytes % x; on the host %d bytes % x", path, got.Size, got.Bytes, want.Size, want.Bytes)
	}
}

// openable gives a device that root on the host can open; otherwise the case
// does not apply.
func (w *world) openable(path string) string {
	if path == "" {
		w.Skipf("this host has no disk with a raw device")
	}
	fd, err := unix.Open(path, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		w.Skipf("root on this host can't open it: %v", err)
	}
	_ = unix.Close(fd)
	return path
}

// raw makes a case for a device that only a permission opens. An empty path
// is the host's raw disk.
func raw(name, path, does string) harness.Case {
	return harness.Case{
		Name: "device/" + name, Clause: "class device.rawio_spec.read", Does: does + " opens with raw-device only",
		Run: in(func(w *world) {
			w.needs(devices)
			if path == "" {
				path = rawDisk()
			}
			node := "/dev/" + filepath.Base(w.openable(path))
			for _, p := range policy.Profiles {
				w.wantDevice(w.agent(w.cell(w.spec(p)), entry{}), node, policy.Defaults(p).Has(policy.RawDevice))
			}
			w.needs(permissions)
			w.wantDevice(w.withPermissions(policy.High, policy.Defaults(policy.High).With(policy.RawDevice)), node, true)
			w.wantDevice(w.withPermissions(policy.Low, policy.Defaults(policy.Low).Without(policy.RawDevice)), node, false)
		}),
	}
}

func (w *world) wantDevice(m *member, node string, open bool) {
	modes := []string{"r"}
	want := "ok"
	if !open {
		modes, want = append(modes, "w", "rw"), "EPERM"
	}
	for _, mode := range modes {
		m.want(want, "open", node, mode)
	}
}
