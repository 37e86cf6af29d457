package trust

import (
	"bytes"
	"encoding/json"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

const policyText = `
# whom we trust
registry.example.com/            key /etc/owner.pub
registry.example.com/            key	deputy.pub
registry.example.com/open/       accept
registry.example.com/open/shut   refuse
registry.example.com/web:1       key one key.pub
docker.io/                       refuse
docker.io/library/alpine         accept
Registry.Example.org:443/        refuse
localhost/                       accept
default                          key rest.pub
`

func TestPolicy(t *testing.T) {
	p, err := ParsePolicy([]byte(policyText))
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"registry.example.com/web:2":               "key /etc/owner.pub deputy.pub",
		"registry.example.com/web:1":               "key one key.pub",
		"registry.example.com/web:10":              "key /etc/owner.pub deputy.pub",
		"registry.example.com:443/web:2":           "key /etc/owner.pub deputy.pub",
		"REGISTRY.example.com:0443/web:2":          "key /etc/owner.pub deputy.pub",
		"registry.example.com:8443/web:2":          "key rest.pub",
		"registry.example.com.evil.org/web:2":      "key rest.pub",
		"registry.example.com/open/x:1":            "accept",
		"registry.example.com/open/shut:1":         "refuse",
		"registry.example.com/open/shut@sha256:00": "refuse",
		"registry.example.com/open/shutter:1":      "accept",
		"registry.example.com/open:1":              "key /etc/owner.pub deputy.pub",
		"registry.example.org/x:1":                 "refuse",
		"docker.io/library/alpine:3":               "accept",
		"docker.io/library/alpine-x:3":             "refuse",
		"docker.io/library/web:1":                  "refuse",
		"localhost/x:1":                            "accept",
		"v1":                                       "key rest.pub",
		"":                                         "key rest.pub",
	} {
		r := p.For(name)
		if got := strings.Join(append([]string{r.Action}, r.Keys...), " "); got != want {
			t.Errorf("For(%q) = %q; want %q", name, got, want)
		}
	}
	// What no line speaks of is refused.
	for _, text := range []string{"", "# nothing\n", "localhost/ accept"} {
		p, err := ParsePolicy([]byte(text))
		if err != nil || !p.For("docker.io/library/x:1").Refuses() || p.For("docker.io/library/x:1").Accepts() {
			t.Errorf("%q: %v, %+v; want a refusal", text, err, p)
		}
	}
}

// The shortest line about a name counts for more than the one about all, and the
// forms of a host are one.
func TestWhichLineDecides(t *testing.T) {
	for _, c := range []struct {
		policy, name string
		accepts      bool
	}{
		{"default accept\na.b/ refuse", "a.b/x:1", false},
		{"a.b/ refuse\ndefault accept", "a.b/x:1", false},
		{"default accept\na.b/ refuse", "a.c/x:1", true},
		{"  default accept", "a.b/x:1", true},
		{"\t# x\n \ta.b/ \t accept \t", "a.b/x:1", true},
		{"a.b/ accept", "A.B:80/x:1", true},
		{"a.b/ accept", "a.b:8080/x:1", false},
	} {
		p, err := ParsePolicy([]byte(c.policy))
		if err != nil {
			t.Errorf("%q: %v", c.policy, err)
			continue
		}
		if r := p.For(c.name); r.Accepts() != c.accepts || r.Refuses() == c.accepts {
			t.Errorf("%q: %q is accepted: %v, refused: %v", c.policy, c.name, r.Accepts(), r.Refuses())
		}
	}
	for action, want := range map[string][2]bool{actionAccept: {true, false}, actionKey: {false, false}, actionRefuse: {false, true}, "": {false, true}} {
		if r := (Rule{Action: action}); r.Accepts() != want[0] || r.Refuses() != want[1] {
			t.Errorf("%q accepts: %v, refuses: %v", action, r.Accepts(), r.Refuses())
		}
	}
	p, err := ParsePolicy([]byte("a.b/ key   some file  "))
	if r := p.For("a.b/x:1"); err != nil || len(r.Keys) != 1 || r.Keys[0] != "some file" {
		t.Errorf("%v, %+v; want the key's file without the blanks around it", err, r)
	}
	for r, want := range map[string]Rule{`the policy (line 7, "a.b/")`: {Prefix: "a.b/", Line: 7}, "the policy, which has no line for it,": {}} {
		if got := want.String(); got != r {
			t.Errorf("%+v is %s", want, got)
		}
	}
}

// Names are compared in one form; an address has colons that are no port's.
func TestCanonical(t *testing.T) {
	for name, want := range map[string]string{
		"web": "web", "A.b/X": "a.b/X", "a.b:443/x": "a.b/x", "a.b:80/x": "a.b/x", "a.b:0443/x": "a.b/x", "a.b:8443/x": "a.b:8443/x",
		"[fe80::0]/x": "[fe80::0]/x", "[::1]:443/x": "[::1]/x", "[::1]:5000/x": "[::1]:5000/x", ":80/x": "/x",
	} {
		if got := canonical(name); got != want {
			t.Errorf("canonical(%q) = %q; want %q", name, got, want)
		}
	}
}

func TestPolicyIsNotEndless(t *testing.T) {
	text := func(lines int) []byte { return []byte(strings.Repeat("\n", lines-1) + "localhost/ accept") }
	if _, err := ParsePolicy(text(maxPolicy)); err != nil {
		t.Error(err)
	}
	if _, err := ParsePolicy(text(maxPolicy + 1)); err == nil || !strings.Contains(err.Error(), "more than 10000 lines") {
		t.Errorf("a line more: %v", err)
	}
}

func TestPolicyErrors(t *testing.T) {
	for text, want := range map[string]string{
		"localhost/":                                "want",
		"localhost/ allow":                          "\"allow\"",
		"localhost/ key":                            "want a file",
		"localhost/ refuse x":                       "after it",
		"localhost/ accept x":                       "after it",
		"a.b/ accept\na.b/ key x":                   "line 1 says",
		"web accept":                                "no full name",
		"registry.example.com accept":               "no full name",
		"docker.io/web accept":                      "no full name",
		"index.docker.io/ refuse":                   "no full name",
		"a//b accept":                               "invalid",
		"a.b/c\nlocalhost/ accept":                  "line 1",
		"\n\na.b/ accept\nA.B:443/ refuse":          "line 4: \"a.b/\": line 3",
		"a.b/ key x\na.b/ accept":                   "line 1 says",
		"default accept\ndefault refuse":            "line 1 says",
		"localhost/ accept\x00":                     "want",
		"localhost/ " + strings.Repeat("x", 70_000): "too long",
	} {
		if p, err := ParsePolicy([]byte(text)); err == nil || p != nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParsePolicy(%.40q) = %v, %v; want %q", text, p, err, want)
		}
	}
}

// What the manual shows is what is read.
func TestManual(t *testing.T) {
	page, err := os.ReadFile("../../docs/manual.md")
	if err != nil {
		t.Fatal(err)
	}
	_, text, _ := strings.Cut(string(page), "```policy\n# PREFIX")
	text, _, found := strings.Cut(text, "```")
	p, err := ParsePolicy([]byte("#" + text))
	if !found || err != nil || len(p.For("registry.example.com/web:1").Keys) != 2 || !p.For("quay.io/web:1").Refuses() {
		t.Errorf("the policy there: %v, %+v", err, p)
	}
	_, text, _ = strings.Cut(string(page), "```json\n{\n  \"critical\"")
	text, _, found = strings.Cut(text, "```")
	want, err := makePayload(signed, "")
	var line bytes.Buffer // as one line, as the page says
	err = errors.Join(err, json.Compact(&line, []byte("{\"critical\""+text)))
	if got := strings.ReplaceAll(line.String(), "HEX", signed.Encoded()); !found || err != nil || got != string(want) {
		t.Errorf("the document there is %s, %v; want %s", got, err, want)
	}
}

// FuzzPolicy: a policy says one of three things about each name, and the same in
// each spelling of its registry; an error comes without a policy.
func FuzzPolicy(f *testing.F) {
	f.Add([]byte(policyText), "registry.example.com/web:1")
	f.Add([]byte("default accept"), "a.b/c:1")
	f.Add([]byte("a.b/ key"), "")
	f.Fuzz(func(t *testing.T, data []byte, name string) {
		p, err := ParsePolicy(data)
		if err != nil {
			if p != nil {
				t.Fatalf("%q: an error and a policy", data)
			}
			return
		}
		r := p.For(name)
		if n := r.Accepts(); n == r.Refuses() && n || r.Action == actionKey && len(r.Keys) == 0 {
			t.Fatalf("%q says %+v of %q", data, r, name)
		}
		if again := p.For(canonical(name)); again.Line != r.Line || !slices.Equal(again.Keys, r.Keys) {
			t.Fatalf("%q says %+v of %q and %+v of %q", data, r, name, again, canonical(name))
		}
	})
}
