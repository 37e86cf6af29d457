package hostroot

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/oci"
	"golang.org/x/sys/unix"
)

// The umask is the process's, and stays what it is; what is made has its mode
// all the same, except where somebody could have it given to another file.
func TestUmaskStays(t *testing.T) {
	inRootBox(t, append(someFiles, "rootfs/open/", "rootfs/sticky/"), func(b *rootBox) {
		somePlan(b)
		mode := uint32(0o666)
		fifo := func(dir string) oci.Device {
			return oci.Device{Field: "linux.devices[0]", Path: dir + "/fifo", Type: "p", Mode: &mode}
		}
		b.plan.Devices = append(b.plan.Devices, fifo("/sticky"), fifo("/made"))
		if err := errors.Join(os.Chmod(filepath.Join(b.source, "open"), 0o777),
			os.Chmod(filepath.Join(b.source, "sticky"), 0o777|os.ModeSticky)); err != nil {
			t.Error(err)
		}
		unix.Umask(0o077) // of this thread alone, which has unshared it
		b.kernel.before = func(_ hostMount, path string) {
			if now := unix.Umask(0o077); now != 0o077 {
				t.Errorf("the umask is %#o while %s is mounted", now, path)
			}
		}
		if err := b.build(); err != nil {
			t.Error(err)
			return
		}
		for p, want := range map[string]uint32{
			"/work": 0o755, "/work/here": 0o755, "/made": 0o755, "/made/fifo": 0o666, "/sticky/fifo": 0o666, "/dev/null": 0o666,
		} {
			var st unix.Stat_t
			if err := unix.Lstat(b.in(p), &st); err != nil || st.Mode&0o7777 != want {
				t.Errorf("%s has the mode %#o, %v; want %#o", p, st.Mode&0o7777, err, want)
			}
		}
		if err := b.unmount(); err != nil {
			t.Error(err)
		}
		b.plan.Devices = append(b.plan.Devices, fifo("/open"))
		if err := b.build(); err == nil || !strings.Contains(err.Error(), "can be written by others") {
			t.Errorf("a device where others can rename it: %v", err)
		}
		b.plan.Devices[len(b.plan.Devices)-1].Path = "/open/other"
		mode = 0o600 // what the umask leaves
		if err := errors.Join(b.unmount(), b.build()); err != nil {
			t.Errorf("a device that needs no change: %v", err)
		}
	})
}
