package emulator

// What programs inside a cell can and cannot do, tried for real.

import (
	"cmp"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/kmod/policy"
)

// try runs attempts in a new cell and gives name → outcome.
func (h *host) try(s kmod.Spec, uid int, attempts ...string) map[string]string {
	h.t.Helper()
	id := h.cell(s)
	c, err := h.enter(id, uid, attempts...)
	if err != nil {
		h.t.Fatal(err)
	}
	out, ws := c.output()
	if ws.ExitStatus() != 0 {
		h.t.Fatalf("the attempts ended with %v: %s", ws, out)
	}
	got := map[string]string{}
	for line := range strings.Lines(out) {
		name, outcome, _ := strings.Cut(strings.TrimSpace(line), " ")
		got[name] = outcome
	}
	if err := h.Destroy(id); err != nil {
		h.t.Errorf("Destroy: %v", err)
	}
	return got
}

func (h *host) expect(s kmod.Spec, uid int, want map[string]string) {
	h.t.Helper()
	names := slices.Sorted(maps.Keys(want))
	// Nothing is left to try for root once it is someone else.
	slices.SortStableFunc(names, func(a, b string) int { return cmp.Compare(strings.Index(a, "setuid"), strings.Index(b, "setuid")) })
	got := h.try(s, uid, names...)
	for name, w := range want {
		if got[name] != w {
			h.t.Errorf("%s = %s; want %s", name, got[name], w)
		}
	}
}

func TestHighDeniesRoot(t *testing.T) {
	newHost(t).expect(kmod.Spec{Profile: policy.High, Permissions: policy.Defaults(policy.High)}, 0, map[string]string{
		"mount": "EPERM", "umount": "EPERM", "remount": "EPERM", "settime": "EPERM", "adjtime": "EPERM",
		"chroot": "EPERM", "mknod": "EPERM", "hostname": "EPERM", "unshare": "EPERM", "clone3": "ENOSYS",
		"sysvipc": "EPERM", "sysctl": "EROFS", "route": "EPERM",
		"null": "ok", "mkfifo": "ok", "chown": "ok", "setuid": "ok", "inet": "ok", "inet6": "ok", "raw": "EPERM", "unix": "ok",
	})
}

func TestLowLeavesRootItsPower(t *testing.T) {
	newHost(t).expect(kmod.Spec{Profile: policy.Low, Permissions: policy.Defaults(policy.Low)}, 0, map[string]string{
		"mount": "ok", "mknod": "ok", "hostname": "ok", "sysvipc": "ok", "route": "ok", "raw": "ok", "adjtime": "ok",
		"unshare": "EPERM", "clone3": "ENOSYS",
	})
}

func TestClosedPermissionsBindRoot(t *testing.T) {
	set := policy.Defaults(policy.High).Without(policy.SetID).Without(policy.Chown).Without(policy.RawOpen).Without(policy.Schedule)
	newHost(t).expect(kmod.Spec{Profile: policy.High, Permissions: set}, 0, map[string]string{
		"setuid": "EPERM", "chown": "EPERM", "raw": "EPERM", "nice": "EACCES", "inet": "ok",
	})
}

func TestNetworkNone(t *testing.T) {
	newHost(t).expect(kmod.Spec{Permissions: policy.All(), Network: kmod.NetworkNone}, 0, map[string]string{
		"inet": "EPERM", "inet6": "EPERM", "raw": "EPERM", "unix": "ok",
	})
}

func TestOrdinaryUserUnderTheFilter(t *testing.T) {
	newHost(t).expect(kmod.Spec{Profile: policy.High, Permissions: policy.Defaults(policy.High)}, 1000, map[string]string{
		"null": "ok", "inet": "ok", "unix": "ok", "mkfifo": "ok", "mount": "EPERM", "setuid": "EPERM", "raw": "EPERM",
	})
}

func TestFirstProcessCanForkAndLaterOnesAreSealedToo(t *testing.T) {
	h := newHost(t)
	id := h.cell(kmod.Spec{Profile: policy.High, Permissions: policy.Defaults(policy.High)})
	first := h.start(id, "fork", "wait")
	if got := first.line(); !strings.HasSuffix(got, "<nil>") {
		t.Errorf("fork under the filter = %q", got)
	}
	first.line()
	out, _ := h.start(id, "mount", "settime", "sysctl", "chroot").output()
	if want := "mount EPERM\nsettime EPERM\nsysctl EROFS\nchroot EPERM\n"; out != want {
		t.Errorf("a later entry's attempts = %q; want %q", out, want)
	}
}
