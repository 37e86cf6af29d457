package clients

import (
	"reflect"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/docs"
)

const sample = `What comes before the first case is for readers.

== tool/run [tool(1)]
it runs
# tool run
out

# tool fail \
> --now
>
> E
some …
[exit 7]

== tool/quiet [tool(1)]
it prints nothing
# tool
`

func TestParseSections(t *testing.T) {
	got, err := parseSections(sample)
	want := []section{
		{name: "tool/run", clause: "tool(1)", does: "it runs", steps: []step{
			{line: 5, command: "tool run", want: []string{"out"}},
			{line: 8, command: "tool fail \\\n--now\n\nE", want: []string{"some …"}, exit: 7},
		}},
		{name: "tool/quiet", clause: "tool(1)", does: "it prints nothing", steps: []step{{line: 17, command: "tool", want: []string{}}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parseSections(sample) = %+v, %v; want %+v", got, err, want)
	}
}

func TestParseSectionsRefuses(t *testing.T) {
	for _, text := range []string{"== a/b [c]", "== a/b [c]\ndoes\noutput first\n# then a command\n"} {
		if got, err := parseSections(text); err == nil {
			t.Errorf("parseSections(%q) = %+v; want an error", text, got)
		}
	}
}

func TestParsePage(t *testing.T) {
	text := "# Title\n\n```console\n# one\nout\n```\n\n```\n# not a console\n```\n\n```console\n# two\n[exit 3]\n```\n"
	want := []step{{line: 4, command: "one", want: []string{"out"}}, {line: 13, command: "two", exit: 3}}
	if got, err := parsePage(text); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("parsePage = %+v, %v; want %+v", got, err, want)
	}
	if got, err := parsePage("```console\n# one\n"); err == nil {
		t.Errorf("parsePage of a block without an end = %+v; want an error", got)
	}
}

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		want, got string
		is        bool
	}{
		{"", "", true},
		{"a", "a", true},
		{"a", "a\nb", false},
		{"a\nb", "a", false},
		{"…", "", true},
		{"…", "a\nb", true},
		{"…\nz", "a\nz\nb\nz", true},
		{"…\nz", "a\nb", false},
		{"a … c", "a b c", true},
		{"a … c", "a b d", false},
		{"a…b…", "a1b", true},
		{"a…a", "a", false},
	} {
		if got := matches(screen(c.want), screen(c.got)); got != c.is {
			t.Errorf("matches(%q, %q) = %v", c.want, c.got, got)
		}
	}
}

func TestScreen(t *testing.T) {
	got := screen("\x1b[6nsh$ \rsh$ ls\r\nfile  \r\n\r\n")
	if want := []string{"sh$ ls", "file"}; !reflect.DeepEqual(got, want) {
		t.Errorf("screen = %q; want %q", got, want)
	}
}

func TestSteady(t *testing.T) {
	for line, want := range map[string]string{
		"container 0123456789abcdef up 12 s": "container ID up N s",
		"defaced 7":                          "defaced N",
	} {
		if got := steady(line); got != want {
			t.Errorf("steady(%q) = %q; want %q", line, got, want)
		}
	}
}

// Every case belongs to a tool, and every page that shows commands is one.
func TestLoad(t *testing.T) {
	if err := Load(); err != nil {
		t.Fatal(err)
	}
	if err := Suite.Check(); err != nil {
		t.Error(err)
	}
	pages := map[string]bool{}
	for _, c := range Suite.Cases {
		group, name, _ := strings.Cut(c.Name, "/")
		if tools[group] == nil {
			t.Errorf("case %s: there is no tool of that name", c.Name)
		}
		pages[name] = pages[name] || group == "page"
	}
	for _, name := range []string{"podman", "containerd", "buildah"} {
		if !pages[name] {
			t.Errorf("docs/%s.md has no commands to run", name)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	text, err := docs.Pages.ReadFile("podman.md")
	if err != nil {
		f.Fatal(err)
	}
	f.Add(string(text))
	f.Fuzz(func(t *testing.T, text string) {
		sections, _ := parseSections(text)
		steps, _ := parsePage(text)
		for _, s := range sections {
			steps = append(steps, s.steps...)
		}
		for _, s := range steps {
			if s.line < 1 || s.line > strings.Count(text, "\n")+1 || s.exit < 0 || s.exit > 999 {
				t.Errorf("step %+v", s)
			}
		}
	})
}

func FuzzMatches(f *testing.F) {
	f.Add("a … c\n…\nb", "a b c\nx\nb")
	f.Fuzz(func(t *testing.T, want, got string) {
		if len(want)+len(got) > 200 || strings.Count(want, anything) > 8 {
			t.Skip("the time grows with the number of wildcards")
		}
		w, g := screen(want), screen(got)
		if strings.Contains(want, anything) {
			_ = matches(w, g)
		} else if matches(w, g) != reflect.DeepEqual(w, g) && len(w)+len(g) > 0 {
			t.Errorf("matches(%q, %q) without wildcards is not equality", w, g)
		}
	})
}
