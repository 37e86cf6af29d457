package main

import (
	"strings"
	"testing"
)

// A time that no image can have is refused where it is read, by the name under which
// it was given.
func TestParseTime(t *testing.T) {
	for s, want := range map[string]string{
		"0": "", "-1": "", "253402300799": "", "2006-01-02T15:04:05Z": "",
		"253402300800": `X "253402300800": it is in the year 10000`, "-99999999999999": "it is in the year -", "tomorrow": `X "tomorrow": want seconds since 1970 or a time`,
	} {
		at, err := parseTime("X", s)
		if want == "" && (err != nil || at == nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("parseTime(%q) = %v, %v; want the error %q", s, at, err, want)
		}
		if at == nil {
			continue
		}
		if _, err := at.UTC().MarshalJSON(); err != nil {
			t.Errorf("%q can't be written: %v", s, err)
		}
	}
}
