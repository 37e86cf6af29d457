package registry

// How registries ask, in all the ways that RFC 9110 has for it.

import (
	"net/http"
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
	} {
		resp := &http.Response{StatusCode: http.StatusUnauthorized, Header: http.Header{"Www-Authenticate": c.values}}
		got := pickChallenge(resp).Header.Values("WWW-Authenticate")
		if strings.Join(got, "; ") != c.want {
			t.Errorf("pickChallenge(%q) = %q; want %q", c.values, got, c.want)
		}
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
