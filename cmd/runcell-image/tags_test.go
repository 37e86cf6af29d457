package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
)

// A registry's tags, a line each; what is asked wrongly is not sent.
func TestImageRemoteTags(t *testing.T) {
	asked := 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked++
		if r.URL.Path != "/v2/a/web/tags/list" {
			http.NotFound(w, r)
			return
		}
		if r.URL.RawQuery == "" {
			w.Header().Set("Link", `<?last=2>; rel="next"`)
			fmt.Fprint(w, `{"name":"a/web","tags":["1","2"]}`)
			return
		}
		fmt.Fprint(w, `{"name":"a/web","tags":["latest"]}`)
	}))
	defer server.Close()
	t.Setenv("REGISTRY_AUTH_FILE", os.DevNull)
	repository := strings.TrimPrefix(server.URL, "http://") + "/a/web"
	for _, c := range []struct {
		args   []string
		status int
		want   string
		asks   int
	}{
		{[]string{"--remote-tags", repository}, 0, "TAG\n1\n2\nlatest\n", 2},
		{[]string{"--remote-tags", repository, "-q"}, 0, "1\n2\nlatest\n", 2},
		{[]string{"--remote-tags", repository + "x"}, 1, "404", 1},
		{[]string{"--remote-tags", repository + ":1"}, 1, "leave that out", 0},
		{[]string{"--remote-tags", ""}, 1, "parse repository", 0},
		{[]string{"--remote-tags", repository, "--store", "/x"}, 1, "exclude each other", 0},
		{[]string{"--remote-tags", repository, "--max-wait", "0s"}, 1, "--max-wait", 0},
		{[]string{"--plain-http"}, 1, "--remote-tags REPOSITORY", 0},
		{[]string{"--authfile", "/x"}, 1, "--remote-tags REPOSITORY", 0},
	} {
		asked = 0
		out, stderr, status := runImage(append([]string{"image", "list"}, c.args...)...)
		if status != c.status || status == 0 && out != c.want || !strings.Contains(out+stderr, c.want) || asked != c.asks {
			t.Errorf("image list %q: %q, %q, status %d after %d requests; want %q", c.args, out, stderr, status, asked, c.want)
		}
	}
}
