package state

import (
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod"
)

func TestValidateID(t *testing.T) {
	for _, id := range []string{"a", "A-b_c.d+e", "0", strings.Repeat("f", 64), ".x"} {
		if err := ValidateID(id); err != nil {
			t.Errorf("ValidateID(%q) = %v", id, err)
		}
	}
	for _, id := range []string{"", ".", "..", "a/b", "a\x00", "ä", "@cells", "a b", strings.Repeat("f", 256)} {
		if ValidateID(id) == nil {
			t.Errorf("ValidateID(%q) = nil; want an error", id)
		}
	}
	if err := ValidateID("kä"); err == nil || !strings.Contains(err.Error(), "'ä'") {
		t.Errorf("ValidateID(kä) = %v; want the character named", err)
	}
}

func FuzzCellName(f *testing.F) {
	f.Add("/run/runcell", "web")
	f.Add("/x", strings.Repeat("a+", 100))
	f.Fuzz(func(t *testing.T, root, id string) {
		if ValidateID(id) != nil {
			return
		}
		name := CellName(root, id)
		if len(name) > kmod.MaxName || strings.Trim(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") != "" {
			t.Errorf("CellName(%q, %q) = %q", root, id, name)
		}
		if CellName(root+"x", id) == name || CellName(root, id+"x") == name {
			t.Errorf("CellName(%q, %q) is not unique", root, id)
		}
	})
}
