package harness

import (
	"testing"
	"time"
)

func TestSlowness(t *testing.T) {
	for _, tt := range []struct {
		load float64
		cpus int
		want float64
	}{
		{0, 2, 1},
		{2, 2, 2},
		{10, 2, 6}, // a case's 30 s become three minutes
		{3, 0, 4},
	} {
		if got := slowness(tt.load, tt.cpus); got != tt.want {
			t.Errorf("slowness(%v, %d) = %v; want %v", tt.load, tt.cpus, got, tt.want)
		}
	}
	if x := (&T{slow: 2.5}); x.Limit(2*time.Second) != 5*time.Second {
		t.Errorf("Limit(2 s) = %s; want 5 s", x.Limit(2*time.Second))
	}
	if got := load(); got <= 0 { // this test runs
		t.Errorf("load = %v; want more", got)
	}
}
