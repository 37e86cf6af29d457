package registry

// How registries ask, in all the ways that RFC 9110 has for it.

import (
	"net/http"
	"slices"
	"strings"
	"testing"
)

func TestPickChallenge(t *testing.T) {
	const bearer = `bearer realm="https://a.example/token", service="a", scope="repository:x:pull,push"`
	for _, c := range []struct {
		values []string
		want   string
	}{
		{[]string{`Bearer realm="https://a.example/token",service="a",scope="repository:x:pull,push"`}, bearer},
		{[]string{`Basic realm="x"`, `Bearer realm="https://a.example/token",service="a",scope="repository:x:pull,push"`}, bearer},
		{[]string{`Bearer realm="https://a.example/token",service=a,scope="repository:x:pull,push", Basic realm="x"`}, bearer},
		{[]string{`Basic realm="x, y", BEARER Realm = "https://a.example/token" , service="a",,scope="repository:x:pull,push"`}, bearer},
		{[]string{`Negotiate`, `NTLM`, `Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Negotiate, Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Negotiate dGV4dA==, Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Negotiate a/b+c=, Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Basic`}, `basic`},
		{[]string{`Basic realm="say \"x\\y\""`}, `basic realm="say \"x\\y\""`},
		{[]string{`Bearer error="no realm"`, `Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Digest realm="x", nonce="y"`}, ""},
		{[]string{`Bearer realm="open`}, ""},
		{[]string{"", ",,,", "=", `"`, "Bearer", "Bearer ="}, ""},
		{nil, ""},
		{[]string{`Basic realm="a", Basic realm="b"`}, `basic realm="a"`},
		{[]string{`Basic realm="a"`, `Bearer realm="b"`, `Bearer realm="c"`}, `bearer realm="b"`},
		{[]string{"Basic\u00e9 realm=x"}, "basic"},
		{[]string{"Basic\x01 realm=x"}, "basic"},
		{[]string{`Basic~ realm="x"`}, ""},
		{[]string{`Basic a=,realm="x"`}, "basic"},
		{[]string{`Basic ="x"`}, "basic"},
		{[]string{`Basic realm="x\`}, "basic"},
		{[]string{`Basic realm="x\"`}, "basic"},
		{[]string{"Basic \trealm\t=\t\"x\"\t,\ta = b"}, `basic realm="x", a="b"`},
		{[]string{`Negotiate Basic`}, ""},
		{[]string{`Negotiate Basic, Digest x="y"`}, ""},
		{[]string{`Negotiate Basic==, Digest x="y"`}, ""},
		{[]string{`Negotiate Basic==`, `Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Negotiate , Basic realm="x"`}, `basic realm="x"`},
		{[]string{`Bearer error="x", Basic=, Digest`}, "basic"},
		{[]string{`Bearer error="x" Basic realm="y", z`}, `basic realm="y"`},
		{[]string{`Bearer ` + strings.Repeat(`a="b",`, 31) + `realm="x"`}, `bearer ` + strings.Repeat(`a="b", `, 31) + `realm="x"`},
		{[]string{`Bearer ` + strings.Repeat(`a="b",`, 32) + `realm="x"`}, ""},
		{[]string{strings.Repeat("Negotiate, ", 15) + `Basic realm="x"`}, `basic realm="x"`},
		{[]string{strings.Repeat("Negotiate, ", 16) + `Basic realm="x"`}, ""},
		{append(slices.Repeat([]string{"Negotiate"}, 16), `Basic realm="x"`), ""},
	} {
		resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": c.values}}
		got := pickChallenge(resp).Header.Values("WWW-Authenticate")
		if strings.Join(got, "; ") != c.want {
			t.Errorf("pickChallenge(%q) = %q; want %q", c.values, got, c.want)
		}
	}
	other := &http.Response{StatusCode: http.StatusOK, Header: http.Header{"Www-Authenticate": {"Digest"}}}
	if got := pickChallenge(other).Header.Get("WWW-Authenticate"); got != "Digest" {
		t.Errorf("of an answer that asks nobody, the header is %q", got)
	}
}

// FuzzChallenges: what is picked is read as itself again, and nothing else is asked.
func FuzzChallenges(f *testing.F) {
	for _, s := range []string{`Basic realm="x"`, `Bearer realm="a",scope=b, Basic`, `Negotiate dGV4dA==, Basic realm="\"`, `a=b, c`, `,`} {
		f.Add(s, "")
	}
	f.Fuzz(func(t *testing.T, one, two string) {
		for _, c := range parseChallenges([]string{one, two}) {
			again := parseChallenges([]string{c.String()})
			if len(again) != 1 || again[0].scheme != c.scheme || again[0].String() != c.String() {
				t.Fatalf("%q, %q: %q is read again as %v", one, two, c, again)
			}
		}
	})
}
