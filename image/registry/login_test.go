package registry

// What is kept of who logs in, and where.

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/netbsd-cells/runcell/image/reference"
	"golang.org/x/sys/unix"
)

// guarded is a registry that lets me in with the password se:cret, by one of the
// ways that there are.
func guarded(t *testing.T, way string) (host string, asked *atomic.Int32) {
	t.Helper()
	asked = &atomic.Int32{}
	basic := "Basic " + base64.StdEncoding.EncodeToString([]byte("me:se:cret"))
	var server *httptest.Server
	server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		asked.Add(1)
		got := r.Header.Get("Authorization")
		switch {
		case r.URL.Path == "/token":
			if got != basic || r.URL.Query().Get("scope") != "" {
				w.WriteHeader(http.StatusUnauthorized)
				return
			}
			fmt.Fprint(w, `{"token":"t"}`)
		case r.URL.Path != "/v2/" || way == "none":
			http.NotFound(w, r)
		case way == "anybody", way == "looks" && (got == "" || got == basic), way == "basic" && got == basic, way == "token" && got == "Bearer t":
		case way == "token":
			w.Header().Set("WWW-Authenticate", `Bearer realm="`+server.URL+`/token",service="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		case way == "forbids":
			w.WriteHeader(http.StatusForbidden)
		default:
			w.Header().Set("WWW-Authenticate", `Basic realm="x"`)
			w.WriteHeader(http.StatusUnauthorized)
		}
	}))
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://"), asked
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// Only what a registry has let in is kept.
func TestLogin(t *testing.T) {
	for _, c := range []struct {
		way, user, password string
		want                string // of the error; "" if it is kept
		asked               bool
	}{
		{"basic", "me", "se:cret", "", true},
		{"token", "me", "se:cret", "", true},
		{"looks", "me", "se:cret", "", false},
		{"anybody", "me", "wrong", "", false},
		{"basic", "me", "wrong", "is wrong", true},
		{"token", "me", "wrong", "is wrong", true},
		{"looks", "me", "wrong", "is wrong", true},
		{"forbids", "me", "se:cret", "is wrong", true},
		{"none", "me", "se:cret", "404", true},
		{"basic", "", "se:cret", "user name", true},
		{"basic", "m:e", "se:cret", "colon", true},
		{"basic", "me", "", "password is empty", true},
		{"basic", "me", "se\x00cret", "NUL", true},
	} {
		host, _ := guarded(t, c.way)
		file := filepath.Join(t.TempDir(), "new", "auth.json")
		k, err := Login(t.Context(), host, c.user, c.password, Options{AuthFile: file})
		if c.want != "" {
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "se:cret") || strings.Contains(err.Error(), "podman") {
				t.Errorf("%s, %q:%q: error is %v; want %q", c.way, c.user, c.password, err, c.want)
			}
			if _, err := os.Lstat(file); err == nil {
				t.Errorf("%s: %s is there", c.way, readFile(t, file))
			}
			continue
		}
		if err != nil || k.File != file || k.Asked != c.asked {
			t.Errorf("%s: %+v, %v", c.way, k, err)
			continue
		}
		n := reference.Name{Registry: host, Repository: "x", Tag: "1"}
		if l, err := findLogin(n, file, os.Getenv); err != nil || l.Username != c.user || l.Password != c.password {
			t.Errorf("%s: kept are %+v, %v", c.way, l.Credential, err)
		}
		for path, mode := range map[string]fs.FileMode{file: 0o600, filepath.Dir(file): 0o700} {
			if fi, err := os.Stat(path); err != nil || fi.Mode().Perm() != mode {
				t.Errorf("%s: mode %v, %v; want %v", path, fi.Mode(), err, mode)
			}
		}
		if list, _ := os.ReadDir(filepath.Dir(file)); len(list) != 1 {
			t.Errorf("beside the file there is %v", list)
		}
	}
}

// What else a file holds stays, a link stays a link, what a killed process left is
// no obstacle, and what is no file of credentials is left alone.
func TestLoginKeepsTheRest(t *testing.T) {
	host, asked := guarded(t, "basic")
	dir := t.TempDir()
	whole, file := filepath.Join(dir, "real.json"), filepath.Join(dir, "auth.json")
	write := func(path, text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Symlink("real.json", file); err != nil {
		t.Fatal(err)
	}
	write(whole, `{"credsStore":"x","n":12345678901234567890,"auths":{"https://`+host+`/v1/":{"auth":"YTpi"},"other.example":{"auth":"YTpi","email":"e"},"`+host+`/part":{"auth":"YTpi"}}}`)
	write(whole+".runcell-new", "left")
	login := func() error {
		_, err := Login(t.Context(), host, "me", "se:cret", Options{AuthFile: file})
		return err
	}
	for range 2 {
		if err := login(); err != nil {
			t.Fatal(err)
		}
	}
	want := `{"auths":{"` + host + `":{"auth":"bWU6c2U6Y3JldA=="},"` + host + `/part":{"auth":"YTpi"},"other.example":{"auth":"YTpi","email":"e"}},"credsStore":"x","n":12345678901234567890}`
	if got := strings.Join(strings.Fields(readFile(t, whole)), ""); got != want {
		t.Errorf("the file holds %s; want %s", got, want)
	}
	if fi, err := os.Stat(whole); err != nil || fi.Mode().Perm() != 0o600 {
		t.Errorf("mode %v, %v", fi.Mode(), err)
	}
	if to, err := os.Readlink(file); err != nil || to != "real.json" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if list, _ := os.ReadDir(dir); len(list) != 2 {
		t.Errorf("there is %v", list)
	}
	if gone, err := Logout(t.Context(), host, Options{AuthFile: file}); err != nil || !slices.Equal(gone, []string{file}) || strings.Contains(readFile(t, whole), host) || !strings.Contains(readFile(t, whole), "other.example") {
		t.Errorf("logout: %q, %v; left is %s", gone, err, readFile(t, whole))
	}
	if _, err := Logout(t.Context(), host, Options{AuthFile: file}); err == nil || !strings.Contains(err.Error(), "no credentials for "+host) {
		t.Errorf("a second logout: %v", err)
	}
	for _, text := range []string{"{", `{"auths":[]}`, `[]`, `null`, `{"auths":{"x":{"auth":1}}}`} {
		write(whole, text)
		if err := login(); err == nil || readFile(t, whole) != text {
			t.Errorf("%s: %v; the file holds %s", text, err, readFile(t, whole))
		}
	}
	fifo := filepath.Join(dir, "fifo")
	if err := unix.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	dangling := filepath.Join(dir, "dangling")
	if err := os.Symlink("nowhere", dangling); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{os.DevNull, fifo, dir, dangling} {
		if _, err := Login(t.Context(), host, "me", "se:cret", Options{AuthFile: path}); err == nil {
			t.Errorf("%s was written to", path)
		}
	}
	if to, err := os.Readlink(dangling); err != nil || to != "nowhere" {
		t.Errorf("a link to nothing leads to %q, %v", to, err)
	}
	if asked.Load() == 0 {
		t.Error("the registry was not asked")
	}
	if _, err := Logout(t.Context(), host, Options{AuthFile: dir + "/nothing"}); err == nil {
		t.Error("logout with a file that is not there succeeded")
	}
}

// Without a file that is named, credentials are where podman looks for them too, also
// without XDG_RUNTIME_DIR: replaced where there are some, else where they stay.
func TestWhereLoginKeeps(t *testing.T) {
	host, _ := guarded(t, "basic")
	entry := `{"auths":{"` + host + `":{"auth":"YTpi"}}}`
	for name, c := range map[string]struct {
		env        map[string]string
		there      string // has some already
		want, gone string
	}{
		"a home":              {map[string]string{"HOME": "H"}, "", "H/.config/containers/auth.json", ""},
		"a session":           {map[string]string{"HOME": "H", "XDG_RUNTIME_DIR": "R"}, "", "H/.config/containers/auth.json", ""},
		"the session has it":  {map[string]string{"HOME": "H", "XDG_RUNTIME_DIR": "R"}, "R/containers/auth.json", "R/containers/auth.json", ""},
		"another place":       {map[string]string{"HOME": "H", "XDG_CONFIG_HOME": "C"}, "", "C/containers/auth.json", ""},
		"a file":              {map[string]string{"HOME": "H", "REGISTRY_AUTH_FILE": "F"}, "H/.config/containers/auth.json", "F", ""},
		"docker has it":       {map[string]string{"HOME": "H"}, "H/.docker/config.json", "H/.config/containers/auth.json", "docker's"},
		"docker's, elsewhere": {map[string]string{"HOME": "H", "DOCKER_CONFIG": "D"}, "D/config.json", "H/.config/containers/auth.json", "docker's"},
		"nothing":             {map[string]string{}, "", "", ""},
	} {
		dir := t.TempDir()
		getenv := func(k string) string {
			if v := c.env[k]; v != "" {
				return dir + "/" + v
			}
			return ""
		}
		if c.there != "" {
			if err := os.MkdirAll(filepath.Dir(dir+"/"+c.there), 0o755); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(dir+"/"+c.there, []byte(entry), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		k, err := logIn(t.Context(), host, "me", "se:cret", Options{}, getenv)
		if c.want == "" {
			if err == nil || !strings.Contains(err.Error(), "--authfile FILE") {
				t.Errorf("%s: %+v, %v", name, k, err)
			}
			continue
		}
		if err != nil || k.File != dir+"/"+c.want {
			t.Errorf("%s: %+v, %v; want %s", name, k, err, c.want)
		}
		n := reference.Name{Registry: host, Repository: "x", Tag: "1"}
		if l, err := findLogin(n, "", getenv); err != nil || l.Username != "me" {
			t.Errorf("%s: who pulls is %+v, %v", name, l.Credential, err)
		}
		gone, err := logOut(t.Context(), host, "", getenv)
		if c.gone == "" && err != nil || c.gone != "" && (err == nil || !strings.Contains(err.Error(), c.gone)) || !slices.Equal(gone, []string{dir + "/" + c.want}) {
			t.Errorf("%s: logout: %q, %v", name, gone, err)
		}
		if c.gone != "" && readFile(t, dir+"/"+c.there) != entry {
			t.Errorf("%s: docker's file holds %s", name, readFile(t, dir+"/"+c.there))
		}
	}
}

// Who logs out is told of the file that can't be read, and the others have no password
// any more.
func TestLogoutOfWhatCanBeRead(t *testing.T) {
	dir := t.TempDir()
	getenv := func(k string) string {
		return map[string]string{"HOME": dir, "XDG_RUNTIME_DIR": dir + "/run"}[k]
	}
	const broken = "{"
	entry := `{"auths":{"quay.io":{"auth":"YTpi"}}}`
	for path, text := range map[string]string{"/run/containers/auth.json": broken, "/.config/containers/auth.json": entry, "/.docker/config.json": entry} {
		if err := errors.Join(os.MkdirAll(filepath.Dir(dir+path), 0o755), os.WriteFile(dir+path, []byte(text), 0o600)); err != nil {
			t.Fatal(err)
		}
	}
	gone, err := logOut(t.Context(), "quay.io", "", getenv)
	if err == nil || !strings.Contains(err.Error(), "not JSON") || !strings.Contains(err.Error(), "docker's") || !slices.Equal(gone, []string{dir + "/.config/containers/auth.json"}) {
		t.Errorf("logout: %q, %v", gone, err)
	}
	if got := readFile(t, dir+"/.config/containers/auth.json"); strings.Contains(got, "quay.io") {
		t.Errorf("it still has %s", got)
	}
}

// FuzzEditAuths: what is put into a file is found there by who pulls, and nobody
// else's credentials become others.
func FuzzEditAuths(f *testing.F) {
	for _, s := range []string{``, `{}`, `{"auths":{"quay.io":{"auth":"YTpi"}},"x":[1]}`, `{"AUTHS":{"a.b":{"auth":"YTpi"}},"auths":{"quay.io/x":{}}}`, `{"auths":null}`, `{"auths":{"a":{"auth":"YTpi"}},"Auths":{"a":{"auth":"Yzpk"}},"auths":{"b":{"auth":"YTpi"}}}`, `null`, `{"auths":{"http://quay.io/v1/":{"auth":"Yzpk"}}}`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		made, err := editAuths(data, func(auths map[string]json.RawMessage) {
			for key := range auths {
				if authKey(key) == "quay.io" {
					delete(auths, key)
				}
			}
			auths["quay.io"] = json.RawMessage(`{"auth":"bWU6c2U6Y3JldA=="}`)
		})
		if err != nil {
			return
		}
		before, _ := parseAuth(data)
		after, err := parseAuth(made)
		if err != nil {
			t.Fatalf("%q became %q: %v", data, made, err)
		}
		l := &login{}
		if found, err := after.find(reference.Name{Registry: "quay.io", Repository: "q", Tag: "1"}, l); err != nil && !hasPart(after) || err == nil && (!found || !hasPart(after) && l.Username != "me") {
			t.Fatalf("%q became %q, which has %+v, %v", data, made, l.Credential, err)
		}
		for key, e := range before.Auths {
			if authKey(key) != "quay.io" && after.Auths[key] != e {
				t.Fatalf("%q became %q: %s was %+v", data, made, key, e)
			}
		}
	})
}

// hasPart tells whether a file has credentials for the repository alone.
func hasPart(c *authConfig) bool {
	for key := range c.Auths {
		if authKey(key) == "quay.io/q" {
			return true
		}
	}
	return false
}
