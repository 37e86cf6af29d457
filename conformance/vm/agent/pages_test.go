package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/conformance/console"
)

// A session with the stand-ins, as the guest types it: what a page fetches is a
// set that tar can read, and its checksum is right.
func TestStandIns(t *testing.T) {
	busybox, err := exec.LookPath("busybox")
	if err != nil {
		t.Fatalf("find busybox: %v", err)
	}
	dir := t.TempDir()
	called := filepath.Join(dir, "linux-busybox") // as in the guest
	if err := os.Symlink(busybox, called); err != nil {
		t.Fatal(err)
	}
	r := &pagesRun{busybox: called, dir: dir}
	if err := r.tools(filepath.Join(r.dir, "rescue")); err != nil {
		t.Fatal(err)
	}
	if err := r.mirror(); err != nil {
		t.Fatal(err)
	}
	t.Setenv(mirrorVar, filepath.Join(r.dir, "mirror"))
	t.Setenv(moduleVar, "/stand/secmodel_cell.kmod")
	t.Chdir(r.dir)
	if err := ftp([]string{"https://x/SHA512", "https://x/base.tar.xz", "https://x/etc.tar.xz"}); err != nil {
		t.Fatal(err)
	}
	if err := ftp([]string{"https://x/none"}); err == nil {
		t.Error("a file that the mirror lacks was fetched")
	}
	if err := modload([]string{"other"}); err == nil {
		t.Error("another module was loaded")
	}
	if err := install([]string{"-m", "751", "SHA512", "base.tar.xz", dir + "/rescue/"}); err != nil {
		t.Fatal(err)
	}
	if st, err := os.Stat(dir + "/rescue/SHA512"); err != nil || st.Mode() != 0o751 {
		t.Errorf("what was installed: %v, %v", st, err)
	}
	r.env = []string{"PATH=" + r.dir + "/tools:/bin"}
	if err := r.page("page", []console.Step{
		{Command: "xz -dc ../base.tar.xz | tar tf - ./bin/sh; ls ../rescue", Want: strings.Split("./bin/sh SHA512 base.tar.xz ls sh sleep", " ")},
		{Command: "sha512sum ../etc.tar.xz | cut -c 1-128 >sum; grep -cf sum ../SHA512", Want: []string{"1"}},
		{Command: "which ftp; type sysctl", Want: []string{"…/tools/ftp", "sysctl is a function"}},
	}); err != nil {
		t.Fatal(err)
	}
	if r.failed != 1 || r.points != 4 { // there is no runcell here
		t.Errorf("%d of %d failed; want the last one", r.failed, r.points)
	}
	if _, err := os.Stat(filepath.Join(r.dir, "page")); err != nil {
		t.Error(err)
	}
}
