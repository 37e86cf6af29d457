package reference

import (
	"strings"
	"testing"
)

func TestParseReference(t *testing.T) {
	for _, c := range []struct {
		in   string
		want Place
	}{
		{"oci:dir", Place{LayoutDir, "dir", ""}},
		{"oci:/a/b:v1", Place{LayoutDir, "/a/b", "v1"}},
		{"oci:dir:docker.io/x:1", Place{LayoutDir, "dir", "docker.io/x:1"}},
		{"oci-archive:x.tar:v1", Place{LayoutArchive, "x.tar", "v1"}},
		{"x.tar", Place{"", "x.tar", ""}},
		{"./a:b", Place{"", "./a:b", ""}},
	} {
		if got, err := ParsePlace(c.in); err != nil || got != c.want {
			t.Errorf("ParseReference(%q) = %+v, %v; want %+v", c.in, got, err, c.want)
		}
	}
	for _, s := range []string{"", "oci:", "oci::v1", "oci-archive:", "docker://alpine", "a\x00b"} {
		if got, err := ParsePlace(s); err == nil {
			t.Errorf("ParseReference(%q) = %+v; want an error", s, got)
		}
	}
}

// A name that stands for a compressed archive makes no directory of that name.
func TestNewArchive(t *testing.T) {
	for name, want := range map[string]Transport{
		"./x.tar": LayoutArchive, "./x": LayoutDir, "./x:v1": LayoutDir, "./x.tar:v1": LayoutArchive, "oci:x.tar.gz": LayoutDir, "oci-archive:x.tar.gz": LayoutArchive,
		"./x.tar.gz": "", "./x.tgz": "", "/a/x.tar.zst": "", "./x.tar.xz:v1": "",
	} {
		got, err := ParseNew(name)
		if want == "" && (err == nil || !strings.Contains(err.Error(), "x.tar, or oci:")) || want != "" && (err != nil || got.Transport != want) {
			t.Errorf("ParseNew(%q) = %+v, %v; want %q", name, got, err, want)
		}
	}
}

// FuzzReference: what parses prints as something that parses to the same.
func FuzzReference(f *testing.F) {
	for _, s := range []string{"oci:a:b", "oci-archive:x.tar", "x:y:z", "docker://a", "oci:", "./a"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParsePlace(s)
		if err != nil {
			return
		}
		if r.Path == "" || strings.ContainsRune(r.Path, 0) {
			t.Fatalf("ParseReference(%q) = %+v", s, r)
		}
		if again, err := ParsePlace(r.String()); err != nil || again != r {
			t.Fatalf("ParseReference(%q) = %+v; again %+v, %v", s, r, again, err)
		}
	})
}
