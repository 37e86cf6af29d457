package layer_test

// Every attack on an unpacker that we know of, as a generated layer. A
// refused one names the layer and the entry; one that is harmless inside the
// tree is applied there. story.Unpack checks that nothing around it changed.

import (
	"archive/tar"
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/netbsd-cells/runcell/image/layer"
)

func TestAttacks(t *testing.T) {
	for _, a := range imagetest.Attacks {
		t.Run(a.Name, func(t *testing.T) {
			var layers [][]byte
			for _, l := range a.Layers {
				layers = append(layers, imagetest.Tar(t, l...))
			}
			b, _, err := story.Unpack(t, imagetest.LayoutOf(t, layers...), bundle.UnpackOptions{})
			if a.Refuse == "" {
				if err != nil {
					t.Fatalf("refused: %v", err)
				}
				imagetest.WantTree(t, filepath.Join(b, "rootfs"), a.Tree...)
				return
			}
			var refused *image.EntryError
			if !errors.As(err, &refused) || !strings.Contains(refused.Reason.Error(), a.Refuse) {
				t.Fatalf("error is %v; want an entry refused: %s", err, a.Refuse)
			}
			last := a.Layers[len(a.Layers)-1]
			if refused.Layer != len(a.Layers) || refused.Entry == "" {
				t.Errorf("refused layer %d, entry %q; want layer %d, an entry of %d", refused.Layer, refused.Entry, len(a.Layers), len(last))
			}
		})
	}
}

// Times that file systems can't all hold are set as far as they can, and
// never stop an unpack.
func TestStrangeTimes(t *testing.T) {
	times := []int64{-1, -1 << 31, -1 << 35, 0, 1 << 31, 1 << 32, 1 << 40}
	var entries []imagetest.Entry
	for i, s := range times {
		entries = append(entries, imagetest.Entry{Name: string(rune('a' + i)), ModTime: time.Unix(s, 0)}, imagetest.Entry{Name: string(rune('A'+i)) + "/", ModTime: time.Unix(s, 0)})
	}
	rootfs := story.UnpackLayers(t, imagetest.Tar(t, entries...))
	for _, name := range []string{"a", "A", "d", "D"} {
		fi, err := os.Lstat(filepath.Join(rootfs, name))
		if err != nil {
			t.Fatal(err)
		}
		want := times[(name[0]|0x20)-'a']
		if got := fi.ModTime().Unix(); got != want {
			t.Errorf("time of %s = %d; want %d", name, got, want)
		}
	}
}

// A name can't smuggle a NUL byte: C sees another name than Go.
func TestNULInName(t *testing.T) {
	for _, field := range []string{"path", "linkpath"} {
		data := imagetest.RawTar(t, 'x', "PaxHeaders/f", imagetest.PAXRecords(field, "a\x00b"))
		data = append(data, imagetest.Tar(t, imagetest.Entry{Name: "f", Type: map[string]byte{"path": 0, "linkpath": tar.TypeSymlink}[field], Link: "x"})...)
		_, _, err := story.Unpack(t, imagetest.LayoutOf(t, data), bundle.UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), "invalid tar header") {
			t.Errorf("NUL in %s: error is %v; want an invalid header", field, err)
		}
	}
	if _, err := image.Components("a\x00b", 0); err == nil {
		t.Error("components takes a NUL byte")
	}
}

// CVE-2022-2879, CVE-2025-58183: headers and sparse maps without bounds.
func TestHugeHeaders(t *testing.T) {
	for name, data := range map[string][]byte{
		"PAX header of 2 MiB":    imagetest.RawTar(t, 'x', "PaxHeaders/f", "2097152 comment="+strings.Repeat("x", 2<<20)),
		"GNU long name of 2 MiB": imagetest.RawTar(t, 'L', "././@LongLink", strings.Repeat("x", 2<<20)),
		"sparse map of 2 MiB": append(imagetest.RawTar(t, 'x', "PaxHeaders/f", imagetest.PAXRecords("GNU.sparse.major", "1", "GNU.sparse.minor", "0", "GNU.sparse.realsize", "1")),
			imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "200000\n" + strings.Repeat("0\n0\n", 1<<19)})...),
	} {
		_, _, err := story.Unpack(t, imagetest.LayoutOf(t, data), bundle.UnpackOptions{})
		if err == nil || !strings.Contains(err.Error(), "layer 1") {
			t.Errorf("%s: error is %v; want layer 1 refused", name, err)
		}
	}
}

// A PAX global header changes nothing and is told of.
func TestGlobalHeader(t *testing.T) {
	data := append(imagetest.RawTar(t, 'g', "pax_global_header", imagetest.PAXRecords("comment", "from git")), imagetest.Tar(t, imagetest.Entry{Name: "f"})...)
	b, res, err := story.Unpack(t, imagetest.LayoutOf(t, data), bundle.UnpackOptions{})
	if err != nil {
		t.Fatal(err)
	}
	imagetest.WantTree(t, filepath.Join(b, "rootfs"), "f f 0644 0")
	if len(res.Notes) == 0 || !strings.Contains(res.Notes[0].Reason, "PAX global header") {
		t.Errorf("notes are %v; want one about the global header", res.Notes)
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
		_, err := layer.Pack(t.Context(), rootfs, &out, layer.PackOptions{})
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
