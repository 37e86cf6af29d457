package manifest

import (
	"strings"
	"testing"

	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

func TestParsePlatform(t *testing.T) {
	for _, s := range []string{"linux", "linux/", "/amd64", "a/b/c/d", "linux/amd64/", "lin ux/amd64", "linux/am\nd64", "linux/../x", "linux/.", "linux/amd64/..", "linux/-x", "linux/a;b"} {
		if p, err := ParsePlatform(s); err == nil {
			t.Errorf("ParsePlatform(%q) = %v; want an error", s, p)
		}
	}
	if p, err := ParsePlatform(""); err != nil || PlatformName(p) != PlatformName(HostPlatform()) {
		t.Errorf("ParsePlatform of nothing = %v, %v; want the host's", p, err)
	}
}

// What is written in another way is one platform all the same.
func TestPlatformNames(t *testing.T) {
	for written, want := range map[string]string{
		"linux/x86_64": "linux/amd64", "linux/aarch64": "linux/arm64", "linux/i386": "linux/386", "linux/i486": "linux/386", "linux/i686": "linux/386",
		"linux/armhf": "linux/arm/v7", "linux/armel": "linux/arm/v6", "netbsd/earmv7hf": "netbsd/arm/v7", "netbsd/earmv6hf": "netbsd/arm/v6",
		"linux/armhf/v5": "linux/arm/v5", "Linux/ARM/V7": "linux/arm/v7", "NetBSD/X86_64": "netbsd/amd64", "azAZ/az09AZ/z_.-9": "azaz/az09az/z_.-9", "0/9/0": "0/9/0", "9/a/Z": "9/a/z",
	} {
		if p, err := ParsePlatform(written); err != nil || PlatformName(p) != want {
			t.Errorf("ParsePlatform(%q) = %s, %v; want %s", written, PlatformName(p), err, want)
		}
	}
	for r := range rune(0x100) {
		s := "x" + string(r)
		if word := strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.-", r); notPlatformWord(s) == word {
			t.Errorf("%q is a word: %v", s, !word)
		}
	}
}

func TestRunsOn(t *testing.T) {
	for _, c := range []struct {
		have, want v1.Platform
		runs       bool
	}{
		{v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "amd64"}, true},
		{v1.Platform{OS: "Linux", Architecture: "X86_64"}, v1.Platform{OS: "linux", Architecture: "amd64"}, true},
		{v1.Platform{OS: "netbsd", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "amd64"}, false},
		{v1.Platform{OS: "linux", Architecture: "386"}, v1.Platform{OS: "linux", Architecture: "amd64"}, false},
		{v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}, v1.Platform{OS: "linux", Architecture: "amd64"}, true},
		{v1.Platform{OS: "linux", Architecture: "amd64"}, v1.Platform{OS: "linux", Architecture: "amd64", Variant: "v3"}, false},
		{v1.Platform{OS: "linux", Architecture: "arm"}, v1.Platform{OS: "linux", Architecture: "arm", Variant: "v8"}, false},
		{v1.Platform{OS: "linux", Architecture: "arm64"}, v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, true},
		{v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}, v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v8"}, false},
		{v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}, v1.Platform{OS: "linux", Architecture: "arm64", Variant: "v9"}, true},
	} {
		if runsOn(c.have, c.want) != c.runs {
			t.Errorf("%v runs on %v: %v", c.have, c.want, !c.runs)
		}
	}
}

// FuzzPlatform: the same for platforms.
func FuzzPlatform(f *testing.F) {
	for _, s := range []string{"linux/amd64", "linux/arm/v7", "a//b", "x86_64/x86_64"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := ParsePlatform(s)
		if err != nil {
			return
		}
		if again, err := ParsePlatform(PlatformName(p)); err != nil || PlatformName(again) != PlatformName(p) {
			t.Fatalf("ParsePlatform(%q) = %+v; again %+v, %v", s, p, again, err)
		}
	})
}
