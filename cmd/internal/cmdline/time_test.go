package cmdline

import (
	"errors"
	"testing"
	"time"
)

func TestParseTime(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "5": 5 * time.Second, "9223372036": 9223372036 * time.Second, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second, "1.5s": 1500 * time.Millisecond, "0s": 0,
	} {
		if got, err := parseTime(s); got != want || err != nil {
			t.Errorf("parseTime(%q) = %v, %v; want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-1", "-1s", "5 s", "1.5", "s", "0x5", "9223372037", "99999999999999999999", "+5"} {
		if got, err := parseTime(s); !errors.Is(err, errNoTime) {
			t.Errorf("parseTime(%q) = %v, %v", s, got, err)
		}
	}
}

func FuzzTime(f *testing.F) {
	f.Add("5")
	f.Add("1h")
	f.Fuzz(func(t *testing.T, s string) {
		if d, err := parseTime(s); d < 0 || err != nil && d != 0 {
			t.Errorf("parseTime(%q) = %v, %v", s, d, err)
		}
	})
}
