package layer

import (
	"strings"
	"testing"
)

func TestParseFlags(t *testing.T) {
	for _, c := range []struct {
		text    string
		bits    uint32
		unknown string
		names   string
	}{
		{"", 0, "", ""},
		{"none", 0, "", ""},
		{"nodump", 1, "", "nodump"},
		{"schg,uappend,arch", 0x30004, "", "uappnd,arch,schg"},
		{"simmutable,hidden,opaque,", 0x20008, "hidden", "opaque,schg"},
	} {
		bits, unknown := parseFlags(c.text)
		if bits != c.bits || strings.Join(unknown, ",") != c.unknown || flagNames(bits) != c.names {
			t.Errorf("%q: %#x, unknown %q, named %q; want %#x, %q, %q", c.text, bits, unknown, flagNames(bits), c.bits, c.unknown, c.names)
		}
	}
}
