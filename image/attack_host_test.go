// Attacks that go for what is around an unpacker: programs, names that other
// tools take for paths, and a tree that changes while it is read.

package image

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// CVE-2026-41567, CVE-2019-14271: nothing is decompressed or copied by a
// program, neither one of the image nor one found through PATH.
func TestNoHelpers(t *testing.T) {
	bin, ran := t.TempDir(), filepath.Join(t.TempDir(), "ran")
	script := "#!/bin/sh\necho $0 >>" + ran + "\n"
	programs := []string{"gzip", "gunzip", "pigz", "unpigz", "zstd", "unzstd", "xz", "unxz", "tar", "bsdtar", "cp", "docker-untar"}
	var entries []ent
	for _, p := range programs {
		if err := os.WriteFile(filepath.Join(bin, p), []byte(script), 0o755); err != nil {
			t.Fatal(err)
		}
		entries = append(entries, ent{name: "bin/" + p, body: script, mode: 0o755}, ent{name: "usr/bin/" + p, body: script, mode: 0o755})
	}
	t.Setenv("PATH", bin)
	layers := [][]byte{tarOf(t, entries...), tarOf(t, ent{name: "a"}), tarOf(t, ent{name: "b"})} // gzip, zstd, plain
	bundle, _, err := unpackIn(t, layoutOf(t, layers...), UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Pack(t.Context(), filepath.Join(bundle, rootfsName), filepath.Join(t.TempDir(), "img"), PackOptions{}); err != nil {
		t.Error(err)
	}
	p, _ := SetsPlatform("amd64")
	if _, err := FromSets(t.Context(), someSets(t), "x", SetsOptions{Platform: p, Store: newStore(t).Path()}); err != nil {
		t.Error(err)
	}
	if data, err := os.ReadFile(ran); err == nil {
		t.Errorf("these programs ran:\n%s", data)
	}
}

// GHSA-8xwf-rjm4-xvhv: the title of a layer, which artifact tools take for
// its file name, names nothing here.
func TestTitleIsNoPath(t *testing.T) {
	dir := lieTo(t, func(_ *layoutBuilder, m *v1.Manifest, _ *v1.Image) {
		m.Layers[0].Annotations = map[string]string{v1.AnnotationTitle: "../../victim/file"}
	})
	bundle, _, err := unpackIn(t, dir, UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	wantTree(t, filepath.Join(bundle, rootfsName), "f f 0644 8000")
	s := newStore(t)
	if _, err := Import(t.Context(), s, dir, "x", DefaultLimits(), CopyOptions{}); err != nil {
		t.Fatal(err)
	}
	if names := filesOf(t, s); strings.Contains(strings.Join(names, "\n"), "victim") {
		t.Errorf("the store has %q", names)
	}
}

// CVE-2025-22873: the version of Go in go.mod has an os.Root that keeps
// "../" inside.
func TestRootHasNoParent(t *testing.T) {
	root, err := os.OpenRoot(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, name := range []string{"../", "..", "./../", "../."} {
		if f, err := root.Open(name); err == nil {
			f.Close()
			t.Errorf("os.Root opens %q", name)
		}
	}
}

// CVE-2018-15664: directories and files become links to elsewhere while the
// tree is packed. What is elsewhere never gets into the image.
func TestPackWhileLinksAreSwapped(t *testing.T) {
	secret := t.TempDir()
	if err := os.WriteFile(secret+"/f", []byte("the secret"), 0o644); err != nil {
		t.Fatal(err)
	}
	rootfs := t.TempDir()
	for _, d := range []string{"d", "e"} {
		os.Mkdir(rootfs+"/"+d, 0o755)
		os.WriteFile(rootfs+"/"+d+"/f", []byte("harmless"), 0o644)
	}
	os.Symlink(secret, rootfs+"/.link")
	os.Symlink(secret+"/f", rootfs+"/e/.link")
	stop := make(chan struct{})
	var swaps sync.WaitGroup
	for _, pair := range [][2]string{{"/d", "/.link"}, {"/e/f", "/e/.link"}} {
		swaps.Go(func() {
			a, b, c := rootfs+pair[0], rootfs+pair[1], rootfs+pair[1]+"-"
			for {
				select {
				case <-stop:
					return
				default:
					os.Rename(a, c)
					os.Rename(b, a)
					os.Rename(a, b)
					os.Rename(c, a)
				}
			}
		})
	}
	packed := 0
	for range 300 {
		var out bytes.Buffer
		_, err := packTree(t.Context(), rootfs, &out, stamps{})
		if err == nil {
			packed++ // else something was gone when its turn came: right as well
		}
		if bytes.Contains(out.Bytes(), []byte("the secret")) {
			t.Fatal("the secret is in the layer")
		}
	}
	close(stop)
	swaps.Wait()
	if packed == 0 {
		t.Error("not one pack went through: the test shows nothing")
	}
}
