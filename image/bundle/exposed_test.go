package bundle

import (
	"strings"
	"testing"
)

// FuzzExposed: ports are in range and sorted, whatever the image says.
func FuzzExposed(f *testing.F) {
	for _, s := range []string{"80", "80/tcp", "8000-8010/udp", "0", "1-65535", "-", "80/", "99999"} {
		f.Add(s, "443")
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		list, err := exposed(map[string]struct{}{a: {}, b: {}})
		if err != nil {
			return
		}
		for _, p := range list {
			if strings.HasPrefix(p, "0") || strings.ContainsAny(p, ",: ") || len(p) > len("65535/tcp") {
				t.Fatalf("exposed(%q, %q) = %q", a, b, list)
			}
		}
	})
}
