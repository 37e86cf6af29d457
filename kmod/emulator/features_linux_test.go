package emulator

import (
	"errors"
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"golang.org/x/sys/unix"
)

// What every host gives, and what depends on this one's kernel.
func TestFeaturesOfAHost(t *testing.T) {
	f := newHost(t).can()
	exit := kmod.Absent
	if linuxHas(t, 6, 15) {
		exit = kmod.Recorded
	}
	for name, tt := range map[string]struct {
		got  kmod.Support
		want kmod.Level
	}{
		"profiles": {f.Profiles, kmod.Enforced}, "permissions": {f.Permissions, kmod.Enforced}, "network": {f.Network, kmod.Enforced},
		"devices": {f.Devices, kmod.Enforced}, "device list": {f.DeviceList, kmod.Recorded},
		"processes": {f.Processes, kmod.Enforced}, "kill": {f.Kill, kmod.Enforced},
		"stats": {f.Stats, kmod.Absent}, "exit status": {f.ExitStatus, exit},
		"max processes": {f.MaxProcesses, maxProcesses(pidsController()).Level},
		"ports":         {f.Ports, bindHooks().Level}, "port addresses": {f.PortAddress, f.Ports.Level}, "addresses": {f.Addresses, f.Ports.Level},
	} {
		if tt.got.Level != tt.want || tt.want != kmod.Enforced && tt.got.Reason == "" {
			t.Errorf("%s = %+v; want %s, with the reason", name, tt.got, tt.want)
		}
	}
	if !reflect.DeepEqual(f.Platforms, platforms()) || f.MaxGroups != kmod.MaxGroups || f.Backend != "emulator" {
		t.Errorf("Features = %+v", f)
	}
}

func TestFeaturesByPlatform(t *testing.T) {
	for arch, want := range map[string]string{"amd64": "linux/amd64 linux/386", "arm64": "linux/arm64 linux/arm", "riscv64": "linux/riscv64"} {
		if got := strings.Join(platformsOf(arch), " "); got != want {
			t.Errorf("platforms of %s = %s; want %s", arch, got, want)
		}
	}
}

// What a kernel lacks is said, with what that means.
func TestFeaturesThatAKernelLacks(t *testing.T) {
	for name, tt := range map[string]struct {
		got, want kmod.Level
		why, says string
	}{
		"filters":        {filters(nil).Level, kmod.Enforced, "", ""},
		"no filters":     {filters(unix.EINVAL).Level, kmod.Absent, filters(unix.EINVAL).Reason, "no seccomp filters"},
		"reservations":   {reservations(nil).Level, kmod.Enforced, reservations(nil).Reason, "among the cells of one state root"},
		"no programs":    {reservations(errors.New("no bpf")).Level, kmod.Recorded, reservations(errors.New("no bpf")).Reason, "no bpf"},
		"no permissions": {permissions(absent("x")).Level, kmod.Absent, permissions(absent("x")).Reason, "x"},
	} {
		if tt.got != tt.want || !strings.Contains(tt.why, tt.says) {
			t.Errorf("%s: %s (%s); want %s (%s)", name, tt.got, tt.why, tt.want, tt.says)
		}
	}
	if got := permissions(absent("x")); got != absent("x") {
		t.Errorf("permissions without filters = %+v", got)
	}
	got := permissions(enforced())
	for _, g := range Gaps() {
		if want := g.Permission.String() + ": " + g.Reason; !strings.Contains(got.Reason, want) {
			t.Errorf("permissions = %q; want %q", got.Reason, want)
		}
	}
	if got.Level != kmod.Enforced || !strings.HasPrefix(got.Reason, "except ") {
		t.Errorf("permissions = %+v", got)
	}
}
