package cmdline

import (
	"encoding/json"
	"strings"
	"testing"
	"time"
	"unicode"
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

// hostile are names that processes and files can have.
var hostile = []string{"\x1b[2J", "\u009b2J", "\x9b2J", "a\nb", "\u202egpj.exe", "\u2066x\u2069", "\u200b", "\x7f", "\ufeff", "\U000e0041", "\u2028", "\t", "\r"}

// What others name something does nothing to a terminal, and in JSON it is what
// they named it.
func TestNamesAreHarmless(t *testing.T) {
	seen := func(s string) bool {
		return !strings.ContainsFunc(s, func(r rune) bool { return r != '\n' && !unicode.IsGraphic(r) })
	}
	for _, name := range hostile {
		if got := OneLine("a" + name + "b"); !seen(got) || strings.Contains(got, "\n") {
			t.Errorf("OneLine(%q) = %q", name, got)
		}
		var b strings.Builder
		if err := WriteJSON(&b, []string{name}, "  "); err != nil {
			t.Fatal(err)
		}
		var back []string
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil || len(back) != 1 || back[0] != strings.ToValidUTF8(name, "\ufffd") || !seen(b.String()) {
			t.Errorf("%q as JSON is %q, and back %q, %v", name, b.String(), back, err)
		}
	}
}

func FuzzWriteJSON(f *testing.F) {
	for _, name := range hostile {
		f.Add(name)
	}
	f.Fuzz(func(t *testing.T, name string) {
		var b strings.Builder
		if err := WriteJSON(&b, map[string]string{name: name}, ""); err != nil {
			t.Fatal(err)
		}
		var back map[string]string
		name = strings.ToValidUTF8(name, "\ufffd")
		if err := json.Unmarshal([]byte(b.String()), &back); err != nil {
			t.Errorf("%q as JSON is %q: %v", name, b.String(), err)
		}
		if !utf8.ValidString(b.String()) || strings.Count(b.String(), "\n") != 1 {
			t.Errorf("%q as JSON is %q", name, b.String())
		}
	})
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
