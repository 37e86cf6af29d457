package manifest

import (
	"testing"
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
