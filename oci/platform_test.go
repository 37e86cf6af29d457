package oci_test

import (
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
	"github.com/netbsd-cells/runcell/oci"
)

func TestPlatform(t *testing.T) {
	netbsd, withLinux, emulator, unknown := kmod.All(), kmod.All(), kmod.All(), kmod.All()
	netbsd.Platforms = []string{"netbsd/amd64", "netbsd/386"}
	withLinux.Platforms = []string{"netbsd/amd64", "linux/amd64", "netbsd/386"}
	emulator.Backend, emulator.Platforms = "emulator", []string{"linux/amd64", "linux/386"}
	for _, c := range []struct {
		name     string
		f        kmod.Features
		os, arch string
		want     string // in the error, or after "warning " in a warning; "" = neither
	}{
		{"native", netbsd, "netbsd", "amd64", ""},
		{"narrow", netbsd, "netbsd", "386", ""},
		{"no architecture", netbsd, "netbsd", "", ""},
		{"no annotation", netbsd, "", "", ""},
		{"not known", unknown, "linux", "amd64", ""},
		{"Linux missing", netbsd, "linux", "amd64", "modload compat_linux"},
		{"Linux there", withLinux, "linux", "amd64", "warning kernel's emulation"},
		{"Linux there, any", withLinux, "linux", "", "warning kernel's emulation"},
		{"Linux, other architecture", withLinux, "linux", "arm64", "no emulation of Linux for this architecture"},
		{"other architecture", withLinux, "netbsd", "sparc64", "take an image for one of these"},
		{"other system", withLinux, "windows", "amd64", "this kernel runs programs for netbsd/amd64, linux/amd64, netbsd/386"},
		{"emulator", emulator, "linux", "386", ""},
		{"emulator, other architecture", emulator, "linux", "arm64", "warning binfmt_misc"},
		{"emulator, other system", emulator, "netbsd", "amd64", "take an image for one of these"},
	} {
		t.Run(c.name, func(t *testing.T) {
			cfg := &oci.Config{Spec: *oci.Example()}
			cfg.Linux = nil
			cfg.Annotations = map[string]string{"org.opencontainers.image.os": c.os, "org.opencontainers.image.architecture": c.arch}
			plan, err := oci.Compile(cfg, c.f)
			warning := ""
			for _, n := range plan.Warnings() {
				if strings.HasPrefix(n.Field, "annotations.") {
					warning += n.Reason
				}
			}
			text, warn := strings.CutPrefix(c.want, "warning ")
			switch {
			case warn && (err != nil || !strings.Contains(warning, text)):
				t.Errorf("warning %q, error %v; want the warning %q", warning, err, text)
			case !warn && text != "" && (err == nil || !strings.Contains(err.Error(), text)):
				t.Errorf("error %v; want %q", err, text)
			case text == "" && (err != nil || warning != ""):
				t.Errorf("warning %q, error %v; want none", warning, err)
			}
		})
	}
}
