package hostroot

import (
	"testing"
)

// From securelevel 2 on there are no new mounts.
func TestSecurelevel(t *testing.T) {
	if err := CheckSecurelevel(); err != nil {
		t.Errorf("CheckSecurelevel = %v", err)
	}
	for level, refused := range map[int32]bool{-1: false, 0: false, 1: false, 2: true, 3: true} {
		if err := securelevelError(level); (err != nil) != refused {
			t.Errorf("securelevelError(%d) = %v", level, err)
		}
	}
}
