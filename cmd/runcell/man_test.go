// The manual page and the program name the same commands and flags.
package main

import (
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/urfave/cli/v3"
)

func TestManualNamesEveryFlag(t *testing.T) {
	page, err := os.ReadFile("../../docs/runcell.8")
	if err != nil {
		t.Fatal(err)
	}
	manual, program := manualFlags(string(page)), map[string][]string{}
	// The line makes the tree whole; its setup adds what the library adds.
	a := newApp()
	a.stdout = io.Discard
	root := a.root([]string{"runcell", "completion"})
	if err := root.Run(t.Context(), []string{"runcell", "--version"}); err != nil {
		t.Fatal(err)
	}
	programFlags(root, "", program)
	program["Global flags"] = append(program[""], "version", "v", "help", "h")
	delete(program, "")
	for _, flags := range program {
		slices.Sort(flags)
	}
	for _, name := range slices.Sorted(maps.Keys(program)) {
		got, ok := manual[name]
		if !ok {
			t.Errorf("the manual has no section %q", name)
		} else if want := slices.Compact(program[name]); !slices.Equal(got, want) {
			t.Errorf("section %q names %q; the program has %q", name, got, want)
		}
	}
	for name := range manual {
		if _, ok := program[name]; !ok {
			t.Errorf("the manual has a section %q; the program has no such command", name)
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
