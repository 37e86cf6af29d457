package completion

// What may be offered at all.

import (
	"os"
	"slices"
	"testing"

	"github.com/urfave/cli/v3"
)

// offered are the words that a small program's table offers for a line.
func offered(list Offer, line string) (got []string) {
	root := &cli.Command{Name: "x", Commands: []*cli.Command{{Name: "rm", Flags: []cli.Flag{
		&cli.BoolFlag{Name: "all"}, &cli.StringFlag{Name: "log", Usage: "to `FILE`"},
	}}}}
	table := Table{Args: map[string][]Offer{"rm": {list}}, Flags: map[string]Offer{"FILE": list}, Repeats: []string{"rm"}}
	words, inFile := Split(line)
	for _, w := range table.Complete(root, words[1:], inFile) {
		got = append(got, w.Text)
	}
	return got
}

// A container or an image may be called as a flag is: where it would be one, it
// is not offered, or TAB would turn "delete this one" into "delete them all".
func TestNoArgumentIsOfferedThatIsAFlag(t *testing.T) {
	names := Plain("--all", "-f", "-", "web")
	for _, c := range []struct {
		line string
		want []string
	}{
		{"x rm ", []string{"-", "web"}},
		{"x rm web ", []string{"-"}},
		{"x rm --", []string{"--all", "--help", "--log"}},
		{"x rm -- ", []string{"-", "--all", "-f", "web"}},
		{"x rm -- --", []string{"--all"}},
		{"x rm --log ", []string{"-", "--all", "-f", "web"}},
	} {
		if got := offered(names, c.line); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q; want %q", c.line, got, c.want)
		}
	}
}

func TestFilesThatAreCalledAsFlags(t *testing.T) {
	t.Chdir(t.TempDir())
	for _, name := range []string{"-rf", "a"} {
		if err := os.Mkdir(name, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, c := range []struct {
		line string
		want []string
	}{
		{"x rm ", []string{"./-rf/", "a/"}},
		{"x rm -- ", []string{"./-rf/", "a/"}},
		{"x rm -- -", []string{"-rf/"}},
		{"x rm ./-", []string{"./-rf/"}},
		{"x rm --log ", []string{"./-rf/", "a/"}},
		{"x rm >-", []string{"-rf/"}},
	} {
		if got := offered(Files, c.line); !slices.Equal(got, c.want) {
			t.Errorf("%q: %q; want %q", c.line, got, c.want)
		}
	}
}

// A name can come from whoever made an image: one that would act on the terminal,
// or look like several words, is not offered, wherever it comes from.
func TestNothingIsOfferedThatActsOnTheTerminal(t *testing.T) {
	names := Plain("a\nb", "a\tb", "\u202egpj", "\x1b[31mred", "\u009b31m", "\x7f", "good")
	for _, line := range []string{"x rm ", "x rm --log ", "x rm --log="} {
		got := offered(names, line)
		if len(got) != 1 || got[0] != "good" && got[0] != "--log=good" {
			t.Errorf("%q: %q; want what is good alone", line, got)
		}
	}
}
