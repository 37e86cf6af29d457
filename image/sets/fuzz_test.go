package sets

import (
	"archive/tar"
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/layer"
)

// FuzzSet: whatever the archive holds, the layer that comes of it can be
// unpacked, and nothing around changes.
func FuzzSet(f *testing.F) {
	for _, a := range imagetest.Attacks {
		last := a.Layers[len(a.Layers)-1]
		if len(last) > 0 && len(last[0].Name) < 1000 {
			f.Add(imagetest.Tar(f, last...))
		}
	}
	f.Add(imagetest.Tar(f, imagetest.Entry{Name: "./"}, imagetest.Entry{Name: "./a", Body: "x"}, imagetest.Entry{Name: "./b", Type: tar.TypeLink, Link: "a"}))
	f.Fuzz(func(t *testing.T, data []byte) {
		var out bytes.Buffer
		l := &setLayer{
			setReader: &setReader{ctx: t.Context(), o: Options{Limits: &image.Limits{MaxPath: 4096}}, budget: &layer.Budget{Limits: image.Limits{MaxSize: 8 << 20, MaxEntries: 1000}}},
			tw:        tar.NewWriter(&out), seen: map[string]seenEntry{}, buf: make([]byte, 1000), set: "fuzz",
		}
		if l.archive(bytes.NewReader(data)) != nil || l.tw.Close() != nil {
			return
		}
		names := map[string]bool{}
		tr := tar.NewReader(&out)
		for {
			hdr, err := tr.Next()
			if err != nil {
				break
			}
			name := strings.TrimSuffix(hdr.Name, "/")
			if names[name] || strings.HasPrefix(name, "/") || slices.Contains(strings.Split(name, "/"), "..") || strings.Contains(name, "/.wh.") || strings.HasPrefix(name, ".wh.") {
				t.Fatalf("an entry %q came out", hdr.Name)
			}
			names[name] = true
		}
	})
}

// FuzzSums: only whole checksums come out.
func FuzzSums(f *testing.F) {
	f.Add("SHA512 (base.tar.xz) = " + strings.Repeat("0", 128) + "\n")
	f.Add("SHA512 () = \nSHA512 (a) = b")
	f.Fuzz(func(t *testing.T, text string) {
		for name, sum := range parseSums(text) {
			if len(sum) != 128 || strings.Contains(name, "\n") {
				t.Fatalf("%q gave %q: %q", text, name, sum)
			}
		}
	})
}
