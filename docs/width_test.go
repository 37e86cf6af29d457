package docs_test

// The manual is read in terminals, too: its lines have less than 100 columns.
// -update wraps its paragraphs and makes lists of tables that are wider.

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"unicode/utf8"
)

const columns = 99

func TestWidthOfManual(t *testing.T) {
	b, err := os.ReadFile("manual.md")
	if err != nil {
		t.Fatal(err)
	}
	text := string(b)
	if *update {
		text = wrap(text)
		if err := os.WriteFile("manual.md", []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	n, wide := 0, []string{}
	for line := range strings.SplitSeq(text, "\n") {
		n++
		if width := utf8.RuneCountInString(line); width > columns {
			wide = append(wide, fmt.Sprintf("%d (%d): %.60s…", n, width, line))
		}
	}
	if len(wide) > 0 {
		t.Errorf("manual.md has %d lines of more than %d columns (go test ./docs -run Width -update), the first ones\n%s",
			len(wide), columns, strings.Join(wide[:min(3, len(wide))], "\n"))
	}
	if again := wrap(wrap(text)); again != wrap(text) {
		t.Error("wrapping what is wrapped changes it")
	}
}

// A wide table becomes a list, code and headings stay, and no line begins with what
// would be a mark there.
func TestWrap(t *testing.T) {
	long := strings.Repeat("word ", 30)
	text := "# " + long + "\n\n" + long + "- and `code that stays whole` 1.\n\n- " + long + "\n\n```text\n" + long + "\n```\n\n| a | b |\n|---|---|\n| `x\\|y` | " + long + "|\n\n| a | b | c |\n|---|---|---|\n| 1 | 2 | " + long + "|\n\n| s | t |\n|---|---|\n| 1 | 2 |\n"
	for line := range strings.SplitSeq(wrap(text), "\n") {
		if mark.MatchString(line) && !strings.HasPrefix(line, "- word") && !strings.HasPrefix(line, "- **") && !strings.Contains(line, "- b:") && !strings.Contains(line, "- c:") {
			t.Errorf("a line begins with a mark: %q", line)
		}
	}
	for _, want := range []string{"# " + long, "\n" + long + "\n```", "| s | t |", "- **`x|y`**: word", "  - b: 2\n  - c: word"} {
		if got := wrap(text); !strings.Contains(got, want) {
			t.Errorf("wrap lost %q:\n%s", want, got)
		}
	}
}

var (
	mark  = regexp.MustCompile(`^(\s*)([-+*]|\d+\.)\s`)
	stays = regexp.MustCompile(`^(#|\||<|>|\s*$)`) // headings, tables, HTML, quotes, nothing
	rule  = regexp.MustCompile(`^\|[-| ]+\|$`)
	// A word goes with what belongs to it: a span of code.
	words = regexp.MustCompile("(?:[^\\s`]*`[^`]*`[^\\s`]*)+|\\S+")
)

// wrap wraps the paragraphs and the items of a page.
func wrap(text string) string {
	var out, block []string
	flush := func() {
		out = append(out, fill(block)...)
		block = nil
	}
	lines := strings.Split(text, "\n")
	for i := 0; i < len(lines); i++ {
		switch line := lines[i]; {
		case strings.HasPrefix(line, "```"):
			flush()
			out = append(out, line)
			for i++; i < len(lines) && lines[i] != "```"; i++ {
				out = append(out, lines[i])
			}
			out = append(out, "```")
		case strings.HasPrefix(line, "|"):
			flush()
			end := i
			for end < len(lines) && strings.HasPrefix(lines[end], "|") {
				end++
			}
			out = append(out, table(lines[i:end])...)
			i = end - 1
		case stays.MatchString(line):
			flush()
			out = append(out, line)
		default:
			if mark.MatchString(line) {
				flush()
			}
			block = append(block, line)
		}
	}
	flush()
	return strings.Join(out, "\n")
}

// fill wraps one paragraph, or one item with what hangs below its mark.
func fill(block []string) (out []string) {
	if len(block) == 0 {
		return nil
	}
	first := mark.FindString(block[0])
	hang := strings.Repeat(" ", len(first))
	line := first
	for _, word := range words.FindAllString(strings.Join(block, " ")[len(first):], -1) {
		begins := strings.TrimSpace(line) == strings.TrimSpace(first)
		full := utf8.RuneCountInString(line)+1+utf8.RuneCountInString(word) > columns-3
		if full && !begins && !mark.MatchString(word+" ") && !stays.MatchString(word) {
			out, line, begins = append(out, line), hang, true
		}
		if !begins {
			line += " "
		}
		line += word
	}
	return append(out, line)
}

// table leaves a table that is narrow enough, and makes a list of one that is not.
func table(lines []string) []string {
	wide := false
	for _, l := range lines {
		wide = wide || utf8.RuneCountInString(l) > columns
	}
	if !wide || len(lines) < 2 || !rule.MatchString(lines[1]) {
		return lines
	}
	var out []string
	head := cells(lines[0])
	for _, l := range lines[2:] {
		row := cells(l)
		if len(row) == 2 {
			out = append(out, fill([]string{fmt.Sprintf("- %s: %s", bold(row[0]), row[1])})...)
			continue
		}
		out = append(out, fill([]string{"- " + bold(row[0])})...)
		for i := 1; i < len(row); i++ {
			out = append(out, fill([]string{fmt.Sprintf("  - %s: %s", head[i], row[i])})...)
		}
	}
	return out
}

// bold marks what stood in a first column, unless it is marked already.
func bold(cell string) string {
	if strings.HasPrefix(cell, "**") {
		return cell
	}
	return "**" + cell + "**"
}

func cells(line string) (list []string) {
	const bar = "\x00"
	line = strings.ReplaceAll(strings.Trim(strings.TrimSpace(line), "|"), `\|`, bar)
	for cell := range strings.SplitSeq(line, "|") {
		list = append(list, strings.TrimSpace(strings.ReplaceAll(cell, bar, "|")))
	}
	return list
}
