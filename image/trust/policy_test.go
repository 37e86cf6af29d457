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

func TestPolicyErrors(t *testing.T) {
	for text, want := range map[string]string{
		"localhost/":                                "want",
		"localhost/ allow":                          "\"allow\"",
		"localhost/ key":                            "want a file",
		"localhost/ refuse x":                       "after it",
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
