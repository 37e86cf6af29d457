package runtime

import (
	"strings"
	"testing"
)

// TestSuite checks the tables: names, clauses, reasons.
func TestSuite(t *testing.T) {
	if err := Suite.Check(); err != nil {
		t.Error(err)
	}
	for _, c := range Suite.Cases {
		if group, name, ok := strings.Cut(c.Name, "/"); !ok || group == "" || name == "" || strings.ContainsAny(c.Name, " |#") {
			t.Errorf("case name %q is not GROUP/NAME", c.Name)
		}
		if (len(c.OS) > 0) != (c.Else != "") {
			t.Errorf("case %q lacks OS, or the reason why it does not apply elsewhere", c.Name)
		}
	}
	for runtime, differences := range Suite.Expected {
		for name, reason := range differences {
			if len(reason) < 10 {
				t.Errorf("difference of %s, %s has no reason: %q", runtime, name, reason)
			}
		}
	}
}
