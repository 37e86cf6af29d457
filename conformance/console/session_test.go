package console

import (
	"reflect"
	"strings"
	"testing"
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
	got, err := ParseSections(sample)
	want := []Section{
		{Name: "tool/run", Clause: "tool(1)", Does: "it runs", Steps: []Step{
			{Line: 5, Command: "tool run", Want: []string{"out"}},
			{Line: 8, Command: "tool fail \\\n--now\n\nE", Want: []string{"some …"}, Exit: 7},
		}},
		{Name: "tool/quiet", Clause: "tool(1)", Does: "it prints nothing", Steps: []Step{{Line: 17, Command: "tool", Want: []string{}}}},
	}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("ParseSections(sample) = %+v, %v; want %+v", got, err, want)
	}
}

func TestParseSectionsRefuses(t *testing.T) {
	for _, text := range []string{"== a/b [c]", "== a/b [c]\ndoes\noutput first\n# then a command\n"} {
		if got, err := ParseSections(text); err == nil {
			t.Errorf("ParseSections(%q) = %+v; want an error", text, got)
		}
	}
}

func TestBlocks(t *testing.T) {
	text := "# Title\n\n```console tools netbsd\n# one\nout\n```\n\n```text\n# not a console\n```\n\n```console tools\n# two\n[exit 3]\n```\n```sh netbsd\na\nb\n```\n"
	want := []Step{{Line: 4, Command: "one", Want: []string{"out"}}, {Line: 13, Command: "two", Exit: 3}}
	if got, err := Page(text, Tools); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Page(tools) = %+v, %v; want %+v", got, err, want)
	}
	want = []Step{want[0], {Line: 17, Command: "set -e\na\nb", Want: []string{"…"}}}
	if got, err := Page(text, NetBSD); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("Page(netbsd) = %+v, %v; want %+v", got, err, want)
	}
	for _, text := range []string{
		"```console tools\n# one\n", "```\nno kind\n```\n", "```console\n# nowhere\n```\n", "```sh\nnowhere\n```\n", "```console mars\n# one\n```\n",
		"```text linux\nnobody types it\n```\n", "```bash linux\nx\n```\n",
	} {
		if got, err := Blocks(text); err == nil {
			t.Errorf("Blocks(%q) = %+v; want an error", text, got)
		}
	}
}

// Variables and where the shell stands go on; what stays in the
// background keeps nobody; a failure says what is on the screen.
func TestPlay(t *testing.T) {
	s := &Shell{Command: []string{"/bin/sh", "-c"}, Dir: t.TempDir(), State: t.TempDir(), Env: []string{"PATH=/usr/bin:/bin"}}
	for _, step := range []Step{
		{Command: "mkdir -p a/b; cd a"},
		{Command: "WORD='two words'"},
		{Command: "cd b; echo \"$WORD\" >&2; sleep 100 & echo $! >pid", Want: []string{"two words"}},
		{Command: "pwd; kill $(cat pid); false", Want: []string{"…/a/b"}, Exit: 1},
		{Command: "cat <<'E'\n$x\nE", Want: []string{"$x"}},
	} {
		if _, err := s.Play(&step); err != nil {
			t.Error(err)
		}
	}
	if _, err := s.Play(&Step{Line: 7, Command: "echo no; exit 3"}); err == nil || !strings.Contains(err.Error(), `line 7: it shows ["no"] and exits with 3`) {
		t.Errorf("Play = %v", err)
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
		if got := Matches(Screen(c.want), Screen(c.got)); got != c.is {
			t.Errorf("matches(%q, %q) = %v", c.want, c.got, got)
		}
	}
}

func TestScreen(t *testing.T) {
	got := Screen("\x1b[6nsh$ \rsh$ ls\r\nfile  \r\n\r\n")
	if want := []string{"sh$ ls", "file"}; !reflect.DeepEqual(got, want) {
		t.Errorf("screen = %q; want %q", got, want)
	}
}

func TestSteady(t *testing.T) {
	for line, want := range map[string]string{
		"container 0123456789abcdef up 12 s": "container ID up N s",
		"defaced 7":                          "defaced N",
	} {
		if got := Steady(line); got != want {
			t.Errorf("Steady(%q) = %q; want %q", line, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(sample)
	f.Add("# Title\n\n```console tools\n# one\nout\n[exit 3]\n```\n\n```text\n# not a console\n```\n")
	f.Fuzz(func(t *testing.T, text string) {
		sections, _ := ParseSections(text)
		steps, _ := Page(text, Tools)
		for _, s := range sections {
			steps = append(steps, s.Steps...)
		}
		for _, s := range steps {
			if s.Line < 1 || s.Line > strings.Count(text, "\n")+1 || s.Exit < 0 || s.Exit > 999 {
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
		w, g := Screen(want), Screen(got)
		if strings.Contains(want, anything) {
			_ = Matches(w, g)
		} else if Matches(w, g) != reflect.DeepEqual(w, g) && len(w)+len(g) > 0 {
			t.Errorf("matches(%q, %q) without wildcards is not equality", w, g)
		}
	})
}
