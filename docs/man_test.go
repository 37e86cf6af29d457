package docs_test

// The manual pages as NetBSD's mandoc wants them, with the sections that its pages
// have.

import (
	"bytes"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// manPages are all of the project's.
func manPages(t *testing.T) []string {
	t.Helper()
	list, err := filepath.Glob("*.[1-9]")
	if err != nil || len(list) < 3 {
		t.Fatalf("manual pages: %q, %v", list, err)
	}
	return append(list, "../kmod/secmodel_cell/secmodel_cell.9")
}

var update = flag.Bool("update", false, "write the synopses of the manual pages anew")

// usage gives the first lines of a page's sections about commands.
func usage(text string) (lines []string) {
	for line := range strings.Lines(text) {
		if of, ok := strings.CutPrefix(line, ".D1 Nm "); ok {
			lines = append(lines, ".Nm "+of)
		}
	}
	return lines
}

// The synopsis is every command's, in the page's order.
func TestSynopsisHasEveryCommand(t *testing.T) {
	for _, page := range []string{"runcell.8", "runcell-image.8", "runcell-service.8"} {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		text := string(b)
		before, rest, _ := strings.Cut(text, ".Sh SYNOPSIS\n")
		synopsis, after, found := strings.Cut(rest, ".Sh DESCRIPTION\n")
		if !found || len(usage(text)) < 9 {
			t.Fatalf("%s has no synopsis, or no commands", page)
		}
		general := ""
		if page == "runcell.8" {
			general = ".Nm\n.Op Ar global flags\n.Ar command\n.Op Ar flags\n.Op Ar arguments\n"
		}
		want := general + strings.Join(usage(text), "")
		if *update {
			if err := os.WriteFile(page, []byte(before+".Sh SYNOPSIS\n"+want+".Sh DESCRIPTION\n"+after), 0o644); err != nil {
				t.Fatal(err)
			}
		} else if synopsis != want {
			t.Errorf("the synopsis of %s is not what its commands are: go test ./docs -run Synopsis -update", page)
		}
	}
}

// elsewhere are complaints about this machine, not about the page: it lacks the
// manual of NetBSD.
var elsewhere = []string{"referenced manual not found", "outdated mandoc.db"}

func TestManPagesAsNetBSDWantsThem(t *testing.T) {
	for _, page := range manPages(t) {
		var out bytes.Buffer
		cmd := exec.Command("mandoc", "-Ios=NetBSD", "-Tlint", "-Wall", page)
		cmd.Stdout, cmd.Stderr = &out, &out
		if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
			t.Fatalf("start mandoc (Debian: mandoc): %v", err)
		}
		for line := range strings.Lines(out.String()) {
			here := true
			for _, text := range elsewhere {
				here = here && !strings.Contains(line, text)
			}
			if here {
				t.Error(strings.TrimSpace(line))
			}
		}
	}
}

func TestManPagesHaveTheirSections(t *testing.T) {
	for _, page := range manPages(t) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		wanted := []string{"NAME", "SYNOPSIS", "DESCRIPTION", "SEE ALSO", "HISTORY", "AUTHORS", "BUGS"}
		if strings.HasSuffix(page, ".9") { // CAVEATS has them, and what a module's synopsis would be is its load
			wanted = []string{"NAME", "DESCRIPTION", "SEE ALSO", "HISTORY", "AUTHORS", "CAVEATS"}
		}
		for _, name := range wanted {
			if !strings.Contains(string(text), "\n.Sh "+name+"\n") {
				t.Errorf("%s has no section %s", page, name)
			}
		}
	}
}

// A macro in a line takes all that is behind it: what is optional ends before a comma.
func TestOptionalPartsEnd(t *testing.T) {
	for _, page := range manPages(t) {
		b, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(b)) {
			if _, rest, found := strings.Cut(line, " Op "); found && strings.HasPrefix(line, ".") && strings.Contains(rest, " , ") {
				t.Errorf("%s: write Oo and Oc, for Op takes the rest of the line: %s", page, line)
			}
		}
	}
}
