package main

import (
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/cmd/internal/jsontest"
)

// TestJSON: what is printed as JSON is what docs/json.schema.json promises.
func TestJSON(t *testing.T) {
	dir := t.TempDir()
	store, layout, bundle := dir+"/store", "oci:"+dir+"/img:v1", dir+"/bundle"
	for _, args := range [][]string{
		{"pack", "--cmd", "/bin/web", imageRootfs(t), layout},
		{"import", "--store", store, layout, "web"},
		{"unpack", "--store", store, "web", bundle},
	} {
		if _, stderr, status := runImage(append([]string{"image"}, args...)...); status != 0 {
			t.Fatal(stderr)
		}
	}
	if err := os.WriteFile(bundle+"/rootfs/etc/passwd", []byte("x"), 0o644); err != nil {
		t.Fatal(err)
	}
	check := func(status int, command string, args ...string) {
		t.Helper()
		stdout, stderr, got := runImage(append([]string{"image"}, args...)...)
		if got != status {
			t.Errorf("%q: status %d, %s", args, got, stderr)
		}
		jsontest.Check(t, "../../docs", command, []byte(stdout))
	}
	check(0, "image list", "list", "--store", store, "--format", "json")
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = io.WriteString(w, `{"name":"x","tags":["2","1"]}`)
	}))
	defer server.Close()
	t.Setenv("REGISTRY_AUTH_FILE", os.DevNull)
	check(0, "image list --remote-tags", "list", "--remote-tags", strings.TrimPrefix(server.URL, "http://")+"/x", "--format", "json")
	check(0, "image inspect", "inspect", "--store", store, "web")
	check(exitDiffers, "image diff", "diff", "--format", "json", bundle)
	check(0, "image verify", "verify", "--store", store, "--format", "json")
	blobs, err := filepath.Glob(store + "/blobs/sha256/*")
	if err != nil || len(blobs) == 0 {
		t.Fatalf("blobs: %q, %v", blobs, err)
	}
	if _, stderr, status := runImage("image", "rm", "--store", store, "web"); status != 0 {
		t.Fatal(stderr)
	}
	check(0, "image gc", "gc", "--store", store, "--dry-run", "--format", "json")
	check(0, "image list", "list", "--store", store, "--format", "json")
	if _, stderr, status := runImage("image", "import", "--store", store, layout, "web"); status != 0 {
		t.Fatal(stderr)
	}
	if err := os.WriteFile(blobs[0], []byte("damaged"), 0o600); err != nil {
		t.Fatal(err)
	}
	check(1, "image verify", "verify", "--store", store, "--format", "json")
	check(0, "image list", "list", "--store", store, "--format", "json")
}
