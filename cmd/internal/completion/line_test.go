package completion

// What a shell makes of a line.

import (
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, c := range []struct {
		line   string
		want   string // the words with | between; ? behind an opaque one
		inFile bool
	}{
		{"", "", false},
		{"runcell", "runcell", false},
		{"runcell ", "runcell|", false},
		{`a b\ c 'd e' "f g"h`, "a|b c|d e|f gh", false},
		{`a 'b "c`, `a|b "c`, false},
		{`a "b\"c\d`, `a|b"c\d`, false},
		{"a '' ", "a||", false},
		{`a \`, "a|", false},
		{"a $X ~/b c~d", "a|$X?|~/b?|c~d", false},
		{`a '$X' "$X" \$X`, "a|$X|$X?|$X", false},
		{"a $(b (c) d) e", "a|$(b (c) d)?|e", false},
		{"a $(b ", "a|$(b ?", false},
		{"a `b c` d", "a|`b c`?|d", false},
		{"a `b c", "a|`b c?", false},
		{"a | b c", "b|c", false},
		{"a; b && c", "c", false},
		{"a\nb", "b", false},
		{"a > f b", "a|b", false},
		{"a 2>f b 2", "a|b|2", false},
		{"a >>f", "a|f", true},
		{"a >", "a|", true},
		{"a >&2 b", "a|b", false},
		{"a &>f b", "a|b", false},
		{"a <(b", "b", false},
		{"a é ", "a|é|", false},
	} {
		words, inFile := Split(c.line)
		var got []string
		for _, w := range words {
			s := w.Text
			if w.Opaque {
				s += "?"
			}
			got = append(got, s)
		}
		if g := strings.Join(got, "|"); g != c.want || inFile != c.inFile {
			t.Errorf("%q is %q, in a file %v; want %q, %v", c.line, g, inFile, c.want, c.inFile)
		}
	}
}

func TestWordsLeaveRedirectionsOut(t *testing.T) {
	for _, c := range []struct {
		raw    string // with | between
		want   string
		inFile bool
	}{
		{"a|>|f|b", "a|b", false},
		{"a|2>|f", "a|f", true},
		{`a\ b|"c`, "a b|c", false},
		{"a|>", "a|>", false},
	} {
		words, inFile := Words(strings.Split(c.raw, "|"))
		var got []string
		for _, w := range words {
			got = append(got, w.Text)
		}
		if g := strings.Join(got, "|"); g != c.want || inFile != c.inFile {
			t.Errorf("%q is %q, in a file %v; want %q, %v", c.raw, g, inFile, c.want, c.inFile)
		}
	}
}

// What Quote spells is read back as the same text.
func FuzzSplit(f *testing.F) {
	for _, s := range []string{"a $(b) `c`", `a "b 'c' \"`, "a >f 2>&1 | b", "$(", "it's", "~", "a\\", "\xec"} {
		f.Add(s, s)
	}
	f.Fuzz(func(t *testing.T, line, text string) {
		words, _ := Split(line)
		if len(words) == 0 {
			t.Fatal("there is no last word")
		}
		if strings.ContainsAny(text, "\x00\n\t\r") || text == "" {
			return
		}
		for _, open := range []string{"", "'", `"`} {
			begun, _ := Split("x " + open)
			spelled := "x " + open + begun[1].Quote(text)
			if got, _ := Split(spelled); len(got) != 2 || got[1].Text != text || got[1].Opaque {
				t.Errorf("%q is spelled %q, which is %v", text, spelled, got)
			}
		}
	})
}
