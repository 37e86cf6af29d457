package oci

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/kmod/policy"
)

func explain(t *testing.T, text string, colour bool) string {
	t.Helper()
	p, _ := Compile(load(t, text), ourModule())
	var b strings.Builder
	if err := WriteExplanation(&b, p, ourModule(), colour); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestExplanationText(t *testing.T) {
	everything, err := os.ReadFile("testdata/everything.json")
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain-everything.txt", explain(t, string(everything), false))
	example, err := json.Marshal(Example())
	if err != nil {
		t.Fatal(err)
	}
	golden(t, "explain-example.txt", explain(t, string(example), false))
}

func TestExplanationSaysWhatMatters(t *testing.T) {
	for name, c := range map[string]struct {
		text string
		want []string
	}{
		"exact":    {minimal(""), []string{"This configuration can run exactly as written.", "the host's network, shared"}},
		"warnings": {minimal(`"domainname":"x"`), []string{"can run, with 1 warning.", "Warnings: not carried out exactly"}},
		"refused":  {minimal(`"vm":{}`), []string{"is refused: 1 problem.", "Refused: the container can't be created"}},
		"grants": {
			withProcess(`"capabilities":{"bounding":["CAP_SYS_TIME"]}`),
			[]string{"process.capabilities.bounding[0]: CAP_SYS_TIME", "process.capabilities.bounding: without CAP_CHOWN"},
		},
	} {
		got := explain(t, c.text, false)
		for _, want := range c.want {
			if !strings.Contains(got, want) {
				t.Errorf("%s: the explanation lacks %q:\n%s", name, want, got)
			}
		}
	}
}

// The published module: what the configuration loses, and what no cell has.
func TestExplanationOfThePublishedModule(t *testing.T) {
	f := published()
	text := minimal(`"linux":{"namespaces":[{"type":"ipc"}]},"netbsd":{"cell":{"profile":"low"}}`)
	p := compile(t, text, f)
	var b strings.Builder
	if err := WriteExplanation(&b, p, f, false); err != nil {
		t.Fatal(err)
	}
	words := strings.Join(strings.Fields(b.String()), " ")
	for _, want := range []string{
		"profile high instead of low, which opens what these close: linux.namespaces[0];",
		"/dev/ptmx: made, but can't be opened (this secmodel_cell refuses every device node",
		"Missing in this kernel interface", "exit-status this secmodel_cell does not keep exit statuses",
	} {
		if !strings.Contains(words, want) {
			t.Errorf("the explanation lacks %q:\n%s", want, &b)
		}
	}
	e := Explain(p, f)
	if len(e.Missing) != 11 || len(Explain(p, ourModule()).Missing) != 0 {
		t.Errorf("missing: %+v; want 11 features, none of ours", e.Missing)
	}
	p = compile(t, minimal(`"netbsd":{"cell":{"profile":"low"}}`), f)
	if n, ok := noteOn(p, "devices"); ok {
		t.Errorf("note = %+v; profile low opens device nodes", n)
	}
}

// TestExplanationIsSafeToPrint: a configuration can't send sequences to the
// terminal, in any field.
func TestExplanationIsSafeToPrint(t *testing.T) {
	evil := `\u001b]0;owned\u0007`
	text := `{"ociVersion":"1.0.0","root":{"path":"` + evil + `"},"process":{"args":["` + evil + `"],"cwd":"/` + evil + `","env":["` + evil + `=1"]},` +
		`"hooks":{"poststop":[{"path":"/` + evil + `"}]},"annotations":{"org.netbsd.cell.` + evil + `":"` + evil + `"},"` + evil + `":1,` +
		`"mounts":[{"destination":"/` + evil + `","source":"` + evil + `","options":["bind","` + evil + `"]}],` +
		`"linux":{"maskedPaths":["/` + evil + `"],"devices":[{"path":"/` + evil + `","type":"p"}],"namespaces":[{"type":"` + evil + `"}]}}`
	if got := explain(t, text, false); strings.ContainsAny(got, "\x1b\x07") {
		t.Errorf("control characters reach the terminal:\n%q", got)
	}
	_, err := Compile(load(t, text), ourModule())
	if err == nil || strings.ContainsAny(err.Error(), "\x1b\x07") {
		t.Errorf("the error is not safe to print: %q", err)
	}
}

func TestExplanationColours(t *testing.T) {
	got := explain(t, minimal(`"domainname":"x"`), true)
	if !strings.Contains(got, "\x1b[31mrefused\x1b[0m") || !strings.Contains(got, "\x1b[33mThis configuration can run") {
		t.Errorf("colours are missing:\n%q", got)
	}
	if plain := explain(t, minimal(`"domainname":"x"`), false); strings.Contains(plain, "\x1b") {
		t.Errorf("colours though none were asked for:\n%q", plain)
	}
}

func TestExplanationFitsATerminal(t *testing.T) {
	for _, line := range strings.Split(explain(t, minimal(`"domainname":"x","hostname":"y"`), false), "\n") {
		if n := len([]rune(line)); n > columns {
			t.Errorf("%d columns: %s", n, line)
		}
	}
}

func TestExplainJSON(t *testing.T) {
	p := compile(t, minimal(`"netbsd":{"cell":{"permissions":["time"],"reservedPorts":["80"]}}`), ourModule())
	text, err := json.Marshal(Explain(p, ourModule()))
	if err != nil {
		t.Fatal(err)
	}
	var back struct {
		Runnable bool
		Cell     struct {
			Profile string
			Ports   []string
		}
		Permissions []struct {
			Permission, By string
			Open, High     bool
		}
		Hooks []any
	}
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	row := back.Permissions[policy.Time]
	if !back.Runnable || back.Cell.Profile != "high" || back.Cell.Ports[0] != "80" || back.Hooks == nil ||
		len(back.Permissions) != len(policy.Permissions) || row.Permission != "time" || !row.Open || row.High || row.By != "netbsd.cell.permissions[0]" {
		t.Errorf("JSON explanation:\n%s", text)
	}
}
