package cmdline

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"
)

func TestFit(t *testing.T) {
	rows := func() [][]string {
		return [][]string{{"ID", "IMAGE", "PORTS"}, {strings.Repeat("i", 30), strings.Repeat("m", 60), strings.Repeat("p", 40)}, {"ä", "b", "c"}}
	}
	for _, width := range []int{200, 136, 100, 80, 60, 10} {
		list := rows()
		Fit(list, width, 1, 2)
		var b strings.Builder
		if err := WriteTable(&b, list); err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(b.String()) {
			if got := utf8.RuneCountInString(strings.TrimRight(line, "\n")); got > max(width, 60) {
				t.Errorf("width %d: a line of %d: %s", width, got, line)
			}
		}
		if list[1][0] != strings.Repeat("i", 30) {
			t.Errorf("width %d: a column is shortened that must not be: %q", width, list[1][0])
		}
		if cut := strings.HasSuffix(list[1][1], "…"); cut != (width < 136) {
			t.Errorf("width %d: %q", width, list[1][1])
		}
	}
}

func TestAgeAndBytes(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second: "0s", 59 * time.Second: "59s", time.Minute: "1m", 119 * time.Minute: "1h", 47 * time.Hour: "47h", 49 * time.Hour: "2d",
	} {
		if got := Age(d); got != want {
			t.Errorf("Age(%v) = %s; want %s", d, got, want)
		}
	}
	for n, want := range map[uint64]string{0: "0B", 1023: "1023B", 1024: "1.0K", 5 << 20: "5.0M", 300 << 30: "300G", 1<<64 - 1: "16E"} {
		if got := Bytes(n); got != want {
			t.Errorf("Bytes(%d) = %s; want %s", n, got, want)
		}
	}
}
