package registry_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/imagetest"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/image/registry"
)

// tagsOf lists the tags of what a registry serves.
func tagsOf(t *testing.T, f *imagetest.Registry) ([]string, error) {
	t.Helper()
	n, err := reference.ParseRepository(f.Repository())
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(n, registry.Options{AuthFile: imagetest.NoAuth(t)})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	return r.Tags(t.Context())
}

// page answers with tags, and a link to the next page unless that is "".
func page(w http.ResponseWriter, next string, tags ...string) {
	if next != "" {
		w.Header().Set("Link", "<"+next+`>; rel="next"`)
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"name": "x", "tags": tags})
}

// A list comes in pages, of which each is asked for once, with the token that the
// registry wants, and again if it is refused for the moment.
func TestTags(t *testing.T) {
	f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
	busy := true
	withToken(f, func(http.ResponseWriter, *http.Request) bool { return false })
	token := f.Before
	f.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if token(w, r) {
			return true
		}
		switch r.URL.Path + "?" + r.URL.RawQuery {
		case "/v2/x/tags/list?":
			page(w, "/v2/x/tags/list?last=2", "2", "1")
		case "/v2/x/tags/list?last=2":
			if busy {
				busy = false
				w.WriteHeader(http.StatusTooManyRequests)
				return true
			}
			page(w, "http://elsewhere.invalid/v2/x/tags/list?last=a", "a", "2")
		case "/v2/x/tags/list?last=a":
			page(w, "")
		default:
			return false
		}
		return true
	}
	tags, err := tagsOf(t, f)
	if err != nil || !slices.Equal(tags, []string{"1", "2", "a"}) {
		t.Errorf("tags are %q, %v", tags, err)
	}
	lists := slices.DeleteFunc(f.Asked(), func(r string) bool { return !strings.HasSuffix(r, "/tags/list") })
	if len(lists) != 5 { // one without a token, one refused for the moment
		t.Errorf("asked %q; want each page once", lists)
	}
}

// An answer that is no list of tags, or one without end, is an error.
func TestBadTags(t *testing.T) {
	answer := func(body string) func(http.ResponseWriter, *http.Request, int) {
		return func(w http.ResponseWriter, _ *http.Request, _ int) { fmt.Fprint(w, body) }
	}
	many := make([]string, 5000)
	for name, c := range map[string]struct {
		answer func(w http.ResponseWriter, r *http.Request, n int)
		want   string // of the error; "" if there are no tags, and that is right
	}{
		"none":            {answer(`{"name":"x","tags":[]}`), ""},
		"null":            {answer(`{"name":"x","tags":null}`), ""},
		"a page for eyes": {answer("<html>"), "no list of tags"},
		"an error with 200": {
			answer(`{"errors":[{"code":"DENIED"}]}`),
			`no member "tags"`,
		},
		"no words":        {answer(`{"tags":[1]}`), "no list of tags"},
		"a path":          {answer(`{"tags":["../../etc"]}`), "is no tag"},
		"a terminal's":    {answer(`{"tags":["\u001b[31m"]}`), "is no tag"},
		"an empty one":    {answer(`{"tags":[""]}`), "is no tag"},
		"a long one":      {answer(`{"tags":["` + strings.Repeat("a", 129) + `"]}`), "is no tag"},
		"a page too long": {answer(`{"tags":["` + strings.Repeat("a", image.MaxJSON) + `"]}`), "more than"},
		"cut off":         {answer(`{"tags":["a"`), "no list of tags"},
		"missing": {
			func(w http.ResponseWriter, r *http.Request, _ int) { http.NotFound(w, r) },
			"404",
		},
		"denied": {
			func(w http.ResponseWriter, _ *http.Request, _ int) { w.WriteHeader(http.StatusForbidden) },
			"403",
		},
		"a circle": {
			func(w http.ResponseWriter, _ *http.Request, n int) {
				page(w, fmt.Sprint("/v2/x/tags/list?last=", n%2), "a")
			},
			"one before",
		},
		"pages without end": {
			func(w http.ResponseWriter, _ *http.Request, n int) { page(w, fmt.Sprint("?last=", n), "a") },
			"pages",
		},
		"tags without end": {
			func(w http.ResponseWriter, _ *http.Request, n int) {
				for i := range many {
					many[i] = fmt.Sprint("t", n*len(many)+i)
				}
				page(w, fmt.Sprint("?last=", n), many...)
			},
			"more than 100000 tags",
		},
		"pages of nothing": {
			func(w http.ResponseWriter, _ *http.Request, n int) {
				w.Header().Set("Link", fmt.Sprintf(`<?last=%d>; rel="next"`, n))
				fmt.Fprintf(w, `{"tags":[],"more":"%s"}`, strings.Repeat(" ", image.MaxJSON-100))
			},
			"more than 26200000 bytes in the pages",
		},
		"a file": {
			func(w http.ResponseWriter, _ *http.Request, _ int) { page(w, "file:///etc/passwd?x", "a") },
			"elsewhere",
		},
		"no address": {
			func(w http.ResponseWriter, _ *http.Request, _ int) { page(w, "mailto:x?a=b", "a") },
			"elsewhere",
		},
		"a redirect to a file": {
			func(w http.ResponseWriter, r *http.Request, _ int) {
				http.Redirect(w, r, "file:///v2/x/tags/list", http.StatusFound)
			},
			"unsupported protocol scheme",
		},
		"redirects without end": {
			func(w http.ResponseWriter, r *http.Request, n int) {
				http.Redirect(w, r, fmt.Sprint("/v2/x/tags/list?n=", n), http.StatusFound)
			},
			"redirects",
		},
		"another's list": {
			func(w http.ResponseWriter, _ *http.Request, _ int) { page(w, "/v2/y/tags/list?last=a", "a") },
			"elsewhere",
		},
	} {
		t.Run(name, func(t *testing.T) {
			f := imagetest.NewRegistry(t, imagetest.Tar(t, imagetest.Entry{Name: "f"}))
			n := 0
			f.Before = func(w http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/tags/list") {
					return false
				}
				n++
				c.answer(w, r, n)
				return true
			}
			tags, err := tagsOf(t, f)
			if c.want == "" && (err != nil || len(tags) > 0) || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want) || tags != nil) {
				t.Errorf("tags are %.100q, %v; want %q", tags, err, c.want)
			}
			if err != nil && !strings.Contains(err.Error(), "/v2/x/tags/list") {
				t.Errorf("the error does not say of what: %v", err)
			}
		})
	}
}
