package layer_test

// Files with holes, packed and unpacked.

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/layer"
)

// sparseFile makes a file of which only some pieces are there.
func sparseFile(t *testing.T, path string, size int64, at ...int64) {
	t.Helper()
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for _, a := range at {
		if _, err := f.WriteAt([]byte("data at "+strconv.FormatInt(a, 10)), a); err != nil {
			t.Fatal(err)
		}
	}
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(path, imagetest.Time, imagetest.Time.Add(123_456_789)); err != nil {
		t.Fatal(err)
	}
}

// What the layer has does not depend on what the file system knows of holes, and
// other tools read it.
func TestSparseIsCanonical(t *testing.T) {
	one, two := t.TempDir(), t.TempDir()
	sparseFile(t, filepath.Join(one, "f"), 40<<20, 3, 20<<20)
	data, err := os.ReadFile(filepath.Join(one, "f"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(two, "f"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	packed := func(root string) []byte {
		var b bytes.Buffer
		mtime := imagetest.Time
		if _, err := layer.Pack(t.Context(), root, &b, layer.PackOptions{MTime: &mtime}); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	a := packed(one)
	if b := packed(two); !bytes.Equal(a, b) {
		t.Errorf("%d bytes with holes, %d without, which differ", len(a), len(b))
	}
	if len(a) > 4<<20 {
		t.Errorf("the archive has %d bytes", len(a))
	}
	tr := tar.NewReader(bytes.NewReader(a))
	for {
		hdr, err := tr.Next()
		if err != nil {
			t.Fatal(err)
		}
		if hdr.Name != "f" {
			continue
		}
		got, err := io.ReadAll(tr)
		if err != nil || !bytes.Equal(got, data) || hdr.Size != int64(len(data)) {
			t.Errorf("archive/tar reads %d bytes, %v", len(got), err)
		}
		break
	}
	to := t.TempDir()
	cmd := exec.Command("tar", "-xf", "-", "-C", to)
	cmd.Stdin = bytes.NewReader(a)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("tar: %v: %s", err, out)
	}
	if got, err := os.ReadFile(filepath.Join(to, "f")); err != nil || !bytes.Equal(got, data) {
		t.Errorf("tar makes a file of %d bytes, %v", len(got), err)
	}
}

// A large file without holes, or with few, is packed whole.
func TestLargeFileWithoutHoles(t *testing.T) {
	root := t.TempDir()
	data := bytes.Repeat([]byte(imagetest.Noise(1<<20)), 17)
	clear(data[2<<20 : 5<<20])
	if err := os.WriteFile(filepath.Join(root, "f"), data, 0o644); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if _, err := layer.Pack(t.Context(), root, &b, layer.PackOptions{}); err != nil {
		t.Fatal(err)
	}
	tr := tar.NewReader(&b)
	_, _ = tr.Next()
	if _, err := tr.Next(); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(tr); err != nil || !bytes.Equal(got, data) {
		t.Errorf("%d bytes, %v; want what the file has", len(got), err)
	}
}

// Times before 1970 and with fractions survive the extended header.
func TestSparseTimes(t *testing.T) {
	for _, at := range []time.Time{time.Unix(0, 0), time.Unix(-2, 500_000_000), time.Unix(-1, 1), time.Unix(1<<33, 120_000_000)} {
		root := t.TempDir()
		sparseFile(t, filepath.Join(root, "f"), 20<<20)
		var b bytes.Buffer
		if _, err := layer.Pack(t.Context(), root, &b, layer.PackOptions{MTime: &at}); err != nil {
			t.Fatal(err)
		}
		tr := tar.NewReader(&b)
		_, _ = tr.Next()
		if hdr, err := tr.Next(); err != nil || !hdr.ModTime.Equal(at) {
			t.Errorf("%v becomes %v, %v", at, hdr, err)
		}
	}
}
