package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// guarded is a registry that lets me in with the password se:cret, and has a tag.
func guarded(t *testing.T) (host string) {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if user, password, _ := r.BasicAuth(); user != "me" || password != "se:cret" {
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/tags/list") {
			_, _ = w.Write([]byte(`{"tags":["1"]}`))
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

// typed gives the next command this for its standard input, which is no terminal.
func typed(t *testing.T, text string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "stdin")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	before := os.Stdin
	os.Stdin = f
	t.Cleanup(func() {
		os.Stdin = before
		_ = f.Close()
	})
}

// What a login keeps, a pull uses, until the logout: also where there is no
// XDG_RUNTIME_DIR. The password is nowhere to be seen.
func TestRegistryLogin(t *testing.T) {
	host, home := guarded(t), t.TempDir()
	for _, name := range []string{"XDG_RUNTIME_DIR", "XDG_CONFIG_HOME", "REGISTRY_AUTH_FILE", "DOCKER_CONFIG"} {
		t.Setenv(name, "")
	}
	t.Setenv("HOME", home)
	file := home + "/.config/containers/auth.json"
	tags := func(want int) string {
		t.Helper()
		out, stderr, status := runImage("image", "list", "--remote-tags", host+"/x", "-q")
		if status != want {
			t.Errorf("list: status %d, %q, %s", status, out, stderr)
		}
		return stderr
	}
	if stderr := tags(1); !strings.Contains(stderr, `"runcell registry login `+host+`"`) {
		t.Errorf("without a login it is said: %s", stderr)
	}
	for _, end := range []string{"", "\n", "\r\n"} {
		typed(t, "se:cret"+end)
		out, stderr, status := runImage("registry", "login", "-u", "me", "--password-stdin", host)
		if status != 0 || out != host+": logged in as me; "+file+" has the password\n" || stderr != "" {
			t.Fatalf("login: status %d, %q, %q", status, out, stderr)
		}
	}
	tags(0)
	if fi, err := os.Stat(file); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("%s: %v, %v", file, fi.Mode(), err)
	}
	if out, stderr, status := runImage("registry", "logout", host); status != 0 || out != host+": logged out; "+file+" has no password any more\n" {
		t.Errorf("logout: status %d, %q, %q", status, out, stderr)
	}
	tags(1)
	for _, c := range []struct{ line, stdin, want string }{
		{"login -u me --password-stdin " + host, "oops", "401"},
		{"login -u me --password-stdin " + host, "", "password is empty"},
		{"login -u me --password-stdin " + host, strings.Repeat("x", maxPassword+1), "more than 65536 bytes"},
		{"login --password-stdin " + host, "se:cret", "--username"},
		{"login -u me " + host, "se:cret", "no terminal"},
		{"login -u me --password-stdin https://" + host, "se:cret", "want HOST[:PORT]"},
		{"login -u me --password-stdin " + host + "/x", "se:cret", "want HOST[:PORT]"},
		{"login -u me se:cret " + host, "", "takes one argument"},
		{"login -u me --password se:cret " + host, "", `no flag "password"`},
		{"login -u me --password-stdin --stall-timeout 0s " + host, "se:cret", "--stall-timeout"},
		{"login -u me --password-stdin --plain-http=false --max-wait 1s " + host, "se:cret", "--plain-http"},
		{"logout " + host, "", "no credentials for " + host},
		{"logout x", "", "want HOST[:PORT]"},
		{"logout", "", "takes one argument"},
	} {
		typed(t, c.stdin)
		out, stderr, status := runImage(append([]string{"registry"}, strings.Fields(c.line)...)...)
		if status != 1 || out != "" || !strings.Contains(stderr, c.want) || c.stdin != "" && strings.Contains(stderr, c.stdin) {
			t.Errorf("registry %s: status %d, %q, %q; want %q", c.line, status, out, stderr, c.want)
		}
	}
	if text, err := os.ReadFile(file); err != nil || strings.Contains(string(text), host) {
		t.Errorf("%s holds %s, %v", file, text, err)
	}
}
