package reference

import (
	"strings"
	"testing"
)

func TestParseName(t *testing.T) {
	hex := strings.Repeat("0123456789abcdef", 4)
	for _, c := range []struct {
		in, want string
		short    bool
	}{
		{"busybox", "docker.io/library/busybox:latest", true},
		{"busybox:1", "docker.io/library/busybox:1", true},
		{"a/b", "docker.io/a/b:latest", true},
		{"docker.io/a", "docker.io/library/a:latest", false},
		{"index.docker.io/a/b", "docker.io/a/b:latest", false},
		{"localhost/a:1", "localhost/a:1", false},
		{"HOST/a:1", "HOST/a:1", false},
		{"localhost:5000/a", "localhost:5000/a:latest", false},
		{"[::1]:5000/a", "[::1]:5000/a:latest", false},
		{"quay.io/a/b/c:x@sha256:" + hex, "quay.io/a/b/c@sha256:" + hex, false},
		{"a@sha256:" + hex, "docker.io/library/a@sha256:" + hex, true},
	} {
		n, short, err := ParseName(c.in)
		if err != nil || n.String() != c.want || short != c.short {
			t.Errorf("ParseName(%q) = %s, %v, %v; want %s, %v", c.in, n, short, err, c.want, c.short)
		}
	}
	for _, s := range []string{"", "A", "a:", "a@", "a@sha256:12", "a@md5:" + hex[:32], hex, "../a", "a//b", "/a", "a b", "a\x00", "a@sha384:" + hex + hex[:32], strings.Repeat("a", 300)} {
		if n, _, err := ParseName(s); err == nil {
			t.Errorf("ParseName(%q) = %s; want an error", s, n)
		}
	}
}

func TestParseRepository(t *testing.T) {
	for in, want := range map[string]string{
		"busybox": "docker.io/library/busybox", "a/b": "docker.io/a/b", "localhost:5000/a": "localhost:5000/a", "quay.io/a/b/c": "quay.io/a/b/c",
		"busybox:1": "", "quay.io/a:latest": "", "a@sha256:" + strings.Repeat("0123456789abcdef", 4): "", "": "", "A": "", "../a": "", "a b": "", "/a": "",
	} {
		n, err := ParseRepository(in)
		if got := n.Registry + "/" + n.Repository; (err == nil) != (want != "") || err == nil && got != want || n.Tag != "" {
			t.Errorf("ParseRepository(%q) = %+v, %v; want %q", in, n, err, want)
		}
	}
}

func TestParseRegistry(t *testing.T) {
	for in, want := range map[string]string{
		"quay.io": "quay.io", "localhost": "localhost", "localhost:5000": "localhost:5000", "[::1]:5000": "[::1]:5000", "127.0.0.1": "127.0.0.1",
		"docker.io": "docker.io", "index.docker.io": "docker.io", "registry-1.docker.io": "docker.io",
		"": "", "quay": "", "quay.io/a": "", "quay.io/library": "", "registry-1.docker.io/a": "", "https://quay.io": "", "quay.io/": "", "a b.c": "", "quay.io:x": "", "../x": "", "user@quay.io": "",
	} {
		if got, err := ParseRegistry(in); got != want || (err == nil) != (want != "") {
			t.Errorf("ParseRegistry(%q) = %q, %v; want %q", in, got, err, want)
		}
	}
}

// What is made here and has no registry belongs to this machine, and is looked for
// there before docker.io.
func TestLocal(t *testing.T) {
	hex := "@sha256:" + strings.Repeat("0123456789abcdef", 4)
	for s, want := range map[string]string{
		"web": "localhost/web:latest", "a/web:1": "localhost/a/web:1", "docker.io/web": "docker.io/library/web:latest", "quay.io/web:1": "quay.io/web:1",
		"web" + hex: "", "quay.io/web" + hex: "", "A": "",
	} {
		if n, err := Local(s); (err == nil) != (want != "") || err == nil && n.String() != want {
			t.Errorf("Local(%q) = %s, %v; want %q", s, n, err, want)
		}
	}
	for s, want := range map[string]string{
		"web": "web localhost/web:latest docker.io/library/web:latest", "quay.io/web": "quay.io/web quay.io/web:latest",
		"a/b" + hex: "a/b" + hex + " localhost/a/b" + hex + " docker.io/a/b" + hex,
	} {
		if list, err := Candidates(s); err != nil || strings.Join(list, " ") != want {
			t.Errorf("Candidates(%q) = %q, %v; want %q", s, list, err, want)
		}
	}
	if list, err := Candidates("A"); err == nil {
		t.Errorf("Candidates of no name = %q", list)
	}
}

// FuzzName: what parses is a name that parses to the same, and no path.
func FuzzName(f *testing.F) {
	for _, s := range []string{"busybox", "a/b:c", "localhost:1/x", "x@sha256:" + strings.Repeat("a", 64), "../x", "a:b@c", "[::1]/x"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		n, _, err := ParseName(s)
		if r, e := ParseRepository(s); e == nil && (err != nil || r.Registry != n.Registry || r.Repository != n.Repository) {
			t.Fatalf("ParseRepository(%q) = %+v; the name is %+v, %v", s, r, n, err)
		}
		if err != nil {
			return
		}
		full := n.String()
		if strings.Contains(full, "..") && strings.Contains("/"+full+"/", "/../") || strings.ContainsAny(full, " \x00\n\\") {
			t.Fatalf("ParseName(%q) = %q", s, full)
		}
		again, short, err := ParseName(full)
		if err != nil || again != n || short {
			t.Fatalf("ParseName(%q) = %q; again %q, %v, %v", s, full, again, short, err)
		}
	})
}
