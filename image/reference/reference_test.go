package reference

import (
	"errors"
	"os"
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
		{"docker-archive:x.tar", Place{DockerArchive, "x.tar", ""}},
		{"oci", Place{"", "oci", ""}},
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
		"./x.tar.gz": "", "./x.tgz": "", "/a/x.tar.zst": "", "./x.tar.xz:v1": "", "./x.tar.bz2": "",
	} {
		got, err := ParseNew(name)
		if want == "" && (err == nil || !strings.Contains(err.Error(), "x.tar, or oci:")) || want != "" && (err != nil || got.Transport != want) {
			t.Errorf("ParseNew(%q) = %+v, %v; want %q", name, got, err, want)
		}
	}
}

func TestNewIsNothingElse(t *testing.T) {
	for name, want := range map[string]string{"docker-archive:x.tar": "write oci-archive:x.tar", ":v1": "the path is empty", "docker://x": "no transport", "": "the path is empty; want"} {
		if got, err := ParseNew(name); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseNew(%q) = %+v, %v; want %q", name, got, err, want)
		}
	}
}

// A plain path is what is there: whole, or before a colon.
func TestLocate(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"layout", "layout:odd"} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile("archive", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[Place]Place{
		{"", "layout", ""}:            {LayoutDir, "layout", ""},
		{"", "layout:odd", ""}:        {LayoutDir, "layout:odd", ""},
		{"", "layout:v1", ""}:         {LayoutDir, "layout", "v1"},
		{"", "archive", ""}:           {LayoutArchive, "archive", ""},
		{"", "archive:v1", ""}:        {LayoutArchive, "archive", "v1"},
		{LayoutDir, "none", "x"}:      {LayoutDir, "none", "x"},
		{LayoutArchive, "layout", ""}: {LayoutArchive, "layout", ""},
		{"", "none", ""}:              {},
		{"", "none:v1", ""}:           {},
		{"", ":v1", ""}:               {},
	} {
		got, err := p.Locate()
		if (err == nil) != (want != Place{}) || err == nil && got != want {
			t.Errorf("%+v is %+v, %v; want %+v", p, got, err, want)
		}
	}
}

// What a name means does not depend on what lies in the working directory; who
// may have meant a file is told.
func TestIsPlace(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.Mkdir("web", 0o755); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]bool{
		"/x": true, "./x": true, "../x": true, ".": true, "oci:x": true, "oci-archive:x": true, "docker-archive:x": true, "docker://x": true, "http://x/y": true,
		"web": false, "web:1": false, "localhost:5000/web": false, "oc:x": false, "": false,
	} {
		if got := IsPlace(name); got != want {
			t.Errorf("IsPlace(%q) = %v", name, got)
		}
	}
	unknown := errors.New("no such image")
	for name, want := range map[string]string{"web": "no such image (the path is written ./web)", "web:1": "no such image (the path is written ./web:1)", "none": "no such image"} {
		if got := PlaceHint(unknown, name); !errors.Is(got, unknown) || got.Error() != want {
			t.Errorf("PlaceHint(%q) = %v; want %s", name, got, want)
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
