package layer_test

// Layers that docker and podman take, though no specification says so.

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/bundle"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/internal/story"
	"github.com/opencontainers/go-digest"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func noted(list []image.Note, reason string) bool {
	for _, n := range list {
		if strings.Contains(n.String(), reason) {
			return true
		}
	}
	return false
}

// A layer is what its bytes are, whatever its media type calls it.
func TestMisnamedCompression(t *testing.T) {
	suffix := map[image.Compression]string{image.Gzip: "+gzip", image.Zstd: "+zstd", image.None: ""}
	for is := range suffix {
		for called, mediaType := range suffix {
			dir := imagetest.Lie(t, func(l *imagetest.Layout, m *v1.Manifest, cfg *v1.Image) {
				data := imagetest.Tar(t, imagetest.Entry{Name: "f", Body: "x"})
				m.Layers[0] = l.Blob(v1.MediaTypeImageLayer+mediaType, imagetest.Compress(t, data, is))
				cfg.RootFS.DiffIDs[0] = digest.FromBytes(data)
			})
			b, res, err := story.Unpack(t, dir, bundle.UnpackOptions{})
			if err != nil {
				t.Errorf("%s called %s: %v", is, called, err)
				continue
			}
			imagetest.WantTree(t, filepath.Join(b, "rootfs"), "f f 0644 1")
			if noted(res.Notes, "media type says otherwise") != (is != called) {
				t.Errorf("%s called %s: notes are %v", is, called, res.Notes)
			}
		}
	}
}

// What is not carried out is a note.
func TestOddLayers(t *testing.T) {
	for reason, entries := range map[string][]imagetest.Entry{
		"as text":             {{Name: "a/../b"}},
		"access control list": {{Name: "f", PAX: map[string]string{"SCHILY.acl.access": "user::rw-,user:1:rw-,group::r--,mask::rw-,other::r--"}}},
		"libarchive's form":   {{Name: "f", PAX: map[string]string{"LIBARCHIVE.xattr.user.a": "eA"}}},
		"aufs metadata":       {{Name: ".wh..wh.plnk/1", Body: "x"}, {Name: "f", Type: '1', Link: ".wh..wh.plnk/1"}},
	} {
		_, res, err := story.Unpack(t, imagetest.LayoutOf(t, imagetest.Tar(t, entries...)), bundle.UnpackOptions{})
		if err != nil || !noted(res.Notes, reason) {
			t.Errorf("%s: notes are %+v, %v", reason, res, err)
		}
		if _, _, err := story.Unpack(t, imagetest.LayoutOf(t, imagetest.Tar(t, entries...)), bundle.UnpackOptions{Strict: true}); err == nil {
			t.Errorf("%s: taken with --strict", reason)
		}
	}
	both := map[string]string{"LIBARCHIVE.xattr.user.a": "eA", "SCHILY.xattr.user.a": "x"} // bsdtar writes both
	_, res, err := story.Unpack(t, imagetest.LayoutOf(t, imagetest.Tar(t, imagetest.Entry{Name: "f", PAX: both})), bundle.UnpackOptions{})
	if err != nil || noted(res.Notes, "libarchive's form") {
		t.Errorf("an attribute in both forms: %+v, %v", res, err)
	}
}

// Directories that no entry describes are entries, too: a name of 4 KiB can have
// hundreds.
func TestImpliedDirectoriesCount(t *testing.T) {
	var list []imagetest.Entry
	for i := range 4 {
		list = append(list, imagetest.Entry{Name: fmt.Sprint(i, "/", strings.Repeat("a/", 50), "f")})
	}
	limits := image.DefaultLimits()
	limits.MaxEntries = 100
	_, _, err := story.Unpack(t, imagetest.LayoutOf(t, imagetest.Tar(t, list...)), bundle.UnpackOptions{Limits: &limits})
	if err == nil || !strings.Contains(err.Error(), "--max-entries") {
		t.Errorf("error is %v", err)
	}
}
