package runtime

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A cell whose root is the host's would be the host, whatever name the
// configuration has for it.
func TestHostsRootIsNoRoot(t *testing.T) {
	bundle := t.TempDir()
	link := func(name, target string) {
		if err := os.Symlink(target, filepath.Join(bundle, name)); err != nil {
			t.Fatal(err)
		}
	}
	link("link", "/")
	link("chain", "link/./")
	link("up", strings.Repeat("../", 40))
	if err := os.Mkdir(filepath.Join(bundle, "rootfs"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(bundle, "file"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"/": "a root of its own", "//": "a root of its own", "/.": "a root of its own", "/tmp/..": "a root of its own",
		"link": "a root of its own", "chain": "a root of its own", "up": "a root of its own", strings.Repeat("../", 40): "a root of its own",
		"file": "not a directory", "nowhere": "no such file",
	} {
		if root, err := resolveRoot(bundle, path); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("root.path %q is %q, %v; want %q", path, root, err, want)
		}
	}
	link("aside", "rootfs")
	for _, path := range []string{"rootfs", "aside", bundle + "/./aside"} {
		target, err := filepath.EvalSymlinks(filepath.Join(bundle, "rootfs"))
		if err != nil {
			t.Fatal(err)
		}
		if root, err := resolveRoot(bundle, path); err != nil || root != target {
			t.Errorf("root.path %q is %q, %v; want %q", path, root, err, target)
		}
	}
}
