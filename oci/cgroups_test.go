package oci

import (
	"path"
	"strings"
	"testing"
)

func TestParseCgroupsPath(t *testing.T) {
	for s, want := range map[string]string{
		"/default/web":                      "/default/web",
		"/libpod_parent/libpod-1/":          "/libpod_parent/libpod-1",
		"a/./b//c":                          "/a/b/c",
		"machine.slice:libpod:web":          "/machine.slice/libpod-web.scope",
		":cri:web":                          "/system.slice/cri-web.scope",
		"user-1000-x.slice::web":            "/user.slice/user-1000.slice/user-1000-x.slice/web.scope",
		"-.slice:a:b":                       "/a-b.scope",
		"system.slice:a:b.slice":            "/system.slice/b.slice",
		"/a:b:c":                            "/a:b:c",
		"/a/..b/c..":                        "/a/..b/c..",
		"/a/../b":                           "leads out",
		"..":                                "leads out",
		"../../../etc":                      "leads out",
		"/":                                 "root of all cgroups",
		"./":                                "root of all cgroups",
		"a:b:c":                             "slice:prefix:name",
		"machine.slice:x:":                  "slice:prefix:name",
		"a--b.slice:x:y":                    "not the name of a slice",
		"..-x.slice:x:y":                    "not the name of a slice",
		"/a\nb":                             "control characters",
		"/" + strings.Repeat("x", 1<<12):    "at most 2048 bytes",
		"machine.slice:libpod:../../../../": "leads out",
	} {
		got, err := ParseCgroupsPath(s)
		if err != nil {
			got = err.Error()
		}
		if err == nil && got != want || !strings.Contains(got, want) {
			t.Errorf("ParseCgroupsPath(%.60q) = %q; want %q", s, got, want)
		}
	}
}

func FuzzCgroupsPath(f *testing.F) {
	for _, s := range []string{"/a/b", "machine.slice:libpod:web", "../x", "a-b.slice:..:.."} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParseCgroupsPath(s)
		if err == nil && (path.Clean(p) != p || p[0] != '/' || p == "/" || strings.Contains(p+"/", "/../")) {
			t.Fatalf("ParseCgroupsPath(%q) = %q", s, p)
		}
	})
}
