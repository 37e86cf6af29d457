package runtime

// Programs of other systems than the host's: what config.json says of the
// image that its root was made from.

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"

	h "github.com/netbsd-cells/runcell/conformance/harness"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// madeFor says what system an image is for, as image-spec's conversion does.
func madeFor(system, arch string) mod {
	return func(s *specs.Spec) {
		h.Annotate("org.opencontainers.image.os", system)(s)
		h.Annotate("org.opencontainers.image.architecture", arch)(s)
	}
}

const conversionClause = "image-spec conversion.md, annotation fields"

var images = []h.Case{
	{
		Name: "image/host", Clause: conversionClause,
		Does: "an image for the host's system runs", Run: func(t *t) {
			t.Facts(madeFor(runtime.GOOS, runtime.GOARCH))
		},
	},
	{
		Name: "image/other-system", Clause: conversionClause,
		Does: "an image for a system whose programs the kernel can't run is an error that says what it runs", Run: func(t *t) {
			own(t, "the check of an image's platform")
			r := refusedCreate(t, t.Bundle(h.Idle, madeFor("plan9", runtime.GOARCH)))
			checkText(t, r, runtime.GOOS+"/"+runtime.GOARCH)
		},
	},
	{
		Name: "image/linux", Clause: conversionClause, OS: netbsd, Else: "Linux needs no emulation of itself",
		Does: "a Linux image runs in a cell by the kernel's emulation, and is denied what the cell is; explain says so", Run: linuxImage,
	},
}

// linuxProgram is busybox for Linux, static, beside this program.
const linuxProgram = "linux-busybox"

func linuxImage(t *t) {
	self, err := os.Executable()
	t.Must("find this program", err)
	program, err := os.ReadFile(filepath.Join(filepath.Dir(self), linuxProgram))
	if err != nil {
		t.Skipf("no Linux program here: %v", err)
	}
	b := t.Bundle(madeFor("linux", runtime.GOARCH), addresses("lo0=127.66.0.8/32"),
		h.Args("/bin/busybox", "sh", "-c", "echo from Linux; busybox uname -s; busybox cat /etc/release; busybox date -s 2001-01-01"))
	t.Must("install busybox", os.WriteFile(b.RootFS("bin", "busybox"), program, 0o755))
	t.Must("write release", os.WriteFile(b.RootFS("etc", "release"), []byte("of the image\n"), 0o644))
	r := t.Try("run", "--bundle", b.Dir, t.ID())
	if strings.Contains(r.Stderr, "no emulation of Linux") {
		t.Skipf("this kernel has no emulation of Linux, and the error says so")
	}
	if !strings.HasPrefix(r.Stdout, "from Linux\nLinux\nof the image\n") {
		t.Errorf("want its output: %s", r)
	}
	if !strings.Contains(r.Stderr, "not permitted") {
		t.Errorf("want it refused to set the clock: %s", r)
	}
	if r := t.OK("explain", "--json", b.Dir); !strings.Contains(r.Stdout, "emulation") {
		t.Errorf("want a warning that names the emulation: %s", r)
	}
}
