package registry

import (
	"net/http"
	"strings"
	"testing"
)

func TestNextPage(t *testing.T) {
	const at = "https://registry.example:5000/v2/a/b/tags/list"
	for _, c := range []struct{ link, want, err string }{
		{"", "", ""},
		{`</v2/a/b/tags/list?last=x&n=2>; rel="next"`, "/tags/list?last=x&n=2", ""},
		{`<?last=x>;rel=next`, "/tags/list?last=x", ""},
		{`<list?last=x> ; title="a;b,c" ; rel = "prev next"`, "/tags/list?last=x", ""},
		{`</v2/a/b/tags/list?last=p>; rel="prev", </v2/a/b/tags/list?last=x>; rel="NEXT"`, "/tags/list?last=x", ""},
		{`<http://behind.the.proxy/v2/a/b/tags/list?last=x>; rel="next"`, "/tags/list?last=x", ""},
		{`<https://user:password@registry.example:5000/v2/a/b/tags/list?last=x>; rel="next"`, "/tags/list?last=x", ""},
		{`</v2/a/b/tags/list?last=x>; rel="prev"; rel="next"`, "", ""},
		{`</v2/a/b/tags/list?last=x>`, "", ""},
		{`/v2/a/b/tags/list?last=x; rel="next"`, "", ""},
		{`</v2/a/b/tags/list?last=x`, "", ""},
		{`</v2/c/tags/list?last=x>; rel="next"`, "", "elsewhere"},
		{`</v2/a/b/tags/list/../../../c/tags/list?last=x>; rel="next"`, "", "elsewhere"},
		{`</v2/a/b/tags/list>; rel="next"`, "", "elsewhere"},
		{`<mailto:x>; rel="next"`, "", "elsewhere"},
		{`<%>; rel="next"`, "", "no URL"},
	} {
		got, err := nextPage(at, http.Header{"Link": {c.link}})
		if got != c.want || (err == nil) != (c.err == "") || err != nil && !strings.Contains(err.Error(), c.err) {
			t.Errorf("nextPage(%q) = %q, %v; want %q, %q", c.link, got, err, c.want, c.err)
		}
	}
}

// FuzzNextPage: whatever the link says, the next page is one of the same list.
func FuzzNextPage(f *testing.F) {
	for _, s := range []string{`</v2/x/tags/list?last=a>; rel="next"`, `<?n=1>;rel=next,`, `<//evil/v2/x/tags/list?a>; rel="next"`, `<a>;rel="`, `<>;;;`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, link string) {
		next, err := nextPage("https://registry.example/v2/x/tags/list", http.Header{"Link": {link}})
		if err != nil || next == "" {
			return
		}
		req, err := http.NewRequest(http.MethodGet, "https://registry.example/v2/x"+next, http.NoBody)
		if err == nil && (req.URL.Host != "registry.example" || req.URL.Path != "/v2/x/tags/list" || req.URL.User != nil) {
			t.Fatalf("%q leads to %s", link, req.URL)
		}
	})
}

// FuzzTags: what is read is tags.
func FuzzTags(f *testing.F) {
	for _, s := range []string{`{"name":"x","tags":["1","a.b-c_D"]}`, `{"tags":null}`, `{"tags":["../x"]}`, `{"tags":[1]}`, `{"errors":[]}`, `[]`, `null`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		tags, err := parseTags(data)
		if err != nil {
			return
		}
		for _, tag := range tags {
			if tag == "" || len(tag) > 128 || strings.ContainsAny(tag, "/:@ \n\x00") || strings.HasPrefix(tag, ".") || strings.HasPrefix(tag, "-") {
				t.Fatalf("%q has the tag %q", data, tag)
			}
		}
	})
}
