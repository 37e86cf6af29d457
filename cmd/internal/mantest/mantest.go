// Package mantest holds runcell's programs to their common manual page.
package mantest

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

// Compare demands that the page names the same commands and flags as the
// programs do. root is a program's whole tree after its setup; own tells which
// of the page's sections, "" for the flags before the command, are about this
// program.
func Compare(t *testing.T, page string, root *cli.Command, own func(section string) bool) {
	t.Helper()
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	manual, program := manualFlags(string(text)), map[string][]string{}
	programFlags(root, "", program)
	manual[""] = manual["Global flags"]
	delete(manual, "Global flags")
	program[""] = append(program[""], "version", "v", "help", "h")
	sections := slices.Sorted(maps.Keys(manual))
	for _, name := range slices.Sorted(maps.Keys(program)) {
		if _, ok := manual[name]; !ok && own(name) {
			t.Errorf("the manual has no section %q", name)
		}
	}
	for _, name := range sections {
		if !own(name) {
			continue
		}
		want, ok := program[name]
		slices.Sort(want)
		if want = slices.Compact(want); !ok {
			t.Errorf("the manual has a section %q; the program has no such command", name)
		} else if got := manual[name]; !slices.Equal(got, want) {
			t.Errorf("section %q names %q; the program has %q", name, got, want)
		}
	}
}

// programFlags collects the flags of every command that does something,
// by its path.
func programFlags(cmd *cli.Command, path string, into map[string][]string) {
	if len(cmd.Commands) == 0 || path == "" {
		flags := []string{}
		for _, f := range cmd.Flags {
			if name := f.Names()[0]; name != "help" && name != "version" {
				flags = append(flags, f.Names()...)
			}
		}
		into[path] = flags
	}
	for _, c := range cmd.Commands {
		programFlags(c, strings.TrimSpace(path+" "+c.Name), into)
	}
}

// manualFlags collects the flags of every .Ss section's list items.
func manualFlags(page string) map[string][]string {
	sections, name := map[string][]string{}, ""
	for line := range strings.Lines(page) {
		words := strings.Fields(line)
		switch {
		case len(words) == 0:
		case words[0] == ".Ss":
			name = strings.Join(words[1:], " ")
			sections[name] = []string{}
		case words[0] == ".Sh":
			name = ""
		case words[0] == ".It" && name != "":
			for i, w := range words[:len(words)-1] {
				if w == "Fl" {
					sections[name] = append(sections[name], strings.TrimPrefix(words[i+1], "-"))
				}
			}
		}
	}
	for _, flags := range sections {
		slices.Sort(flags)
	}
	return sections
}
