package duration

import (
	"errors"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "9223372036": 9223372036 * time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1.5s": 1500 * time.Millisecond, "0s": 0,
	} {
		if got, err := Parse(s); got != want || err != nil {
			t.Errorf("Parse(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-1", "-1s", "5 s", "1.5", "s", "0x5", "9223372037", "99999999999999999999", "+5"} {
		if got, err := Parse(s); !errors.Is(err, ErrSyntax) {
			t.Errorf("Parse(%q) = %v, %v", s, got, err)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add("5")
	f.Add("1h")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := Parse(s); d < 0 || err != nil && d != 0 {
			t.Errorf("Parse(%q) = %v, %v", s, d, err)
		}
	})
}
