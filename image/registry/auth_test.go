package registry

// Where credentials come from, and whose they are.

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/netbsd-cells/runcell/image/reference"
	"golang.org/x/sys/unix"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Credentials are looked for where podman and docker keep them, in podman's
// order.
func TestAuthFiles(t *testing.T) {
	dir := t.TempDir()
	env := map[string]string{"HOME": dir + "/home", "XDG_RUNTIME_DIR": dir + "/run", "DOCKER_CONFIG": dir + "/docker"}
	getenv := func(k string) string { return env[k] }
	n := reference.Name{Registry: "docker.io", Repository: "library/x", Tag: "1"}
	write := func(path, user, key string) {
		os.MkdirAll(filepath.Dir(dir+path), 0o755)
		os.WriteFile(dir+path, []byte(`{"auths":{"`+key+`":{"auth":"`+base64.StdEncoding.EncodeToString([]byte(user+":p"))+`"}}}`), 0o600)
	}
	for _, c := range []struct{ path, key, user string }{
		{"/docker/config.json", "https://index.docker.io/v1/", "docker"},
		{"/home/.config/containers/auth.json", "docker.io/library", "config"},
		{"/run/containers/auth.json", "docker.io", "run"},
	} {
		write(c.path, c.user, c.key)
		l, err := findLogin(n, "", getenv)
		if err != nil || l.Username != c.user || l.file != dir+c.path {
			t.Errorf("with %s: %+v, %v; want %s", c.path, l, err, c.user)
		}
	}
}

func TestPlacesOfCredentials(t *testing.T) {
	run := "/run/containers/" + strconv.Itoa(os.Getuid()) + "/auth.json"
	for _, c := range []struct {
		env            map[string]string
		podman, docker string
	}{
		{nil, run, ""},
		{map[string]string{"HOME": "/h"}, run + " /h/.config/containers/auth.json", "/h/.docker/config.json"},
		{map[string]string{"HOME": "/h", "XDG_RUNTIME_DIR": "/r", "XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}, "/r/containers/auth.json /c/containers/auth.json", "/d/config.json"},
		{map[string]string{"XDG_CONFIG_HOME": "/c", "DOCKER_CONFIG": "/d"}, run + " /c/containers/auth.json", "/d/config.json"},
	} {
		getenv := func(k string) string { return c.env[k] }
		if podman, docker := strings.Join(podmanFiles(getenv), " "), strings.Join(dockerFiles(getenv), " "); podman != c.podman || docker != c.docker {
			t.Errorf("with %v: %s, %s; want %s, %s", c.env, podman, docker, c.podman, c.docker)
		}
	}
}

// What is named has to be there; what is not may be missing, and nothing else.
func TestFindLogin(t *testing.T) {
	dir := t.TempDir()
	good := filepath.Join(dir, "good")
	file := func(name, content string) string {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		return filepath.Join(dir, name)
	}
	file("good", `{"auths":{"quay.io":{"auth":"YTpi"}}}`)
	helper := file("helper", `{"credsStore":"one","credHelpers":{"quay.io":"two","docker.io":"three"}}`)
	bad, broken := file("bad", `{"auths":{"quay.io":{"auth":"secret"}}}`), file("broken", `{"auths":{"quay.io":{"auth":"YTpi"}}`)
	n := reference.Name{Registry: "quay.io", Repository: "x/y", Tag: "1"}
	for name, c := range map[string]struct {
		named string
		env   map[string]string
		file  string // where they are found
		why   string
		err   string
	}{
		"named":                 {good, nil, good, "the credentials are those in " + good, ""},
		"by the environment":    {"", map[string]string{"REGISTRY_AUTH_FILE": good}, good, "the credentials are those in " + good, ""},
		"named first":           {good, map[string]string{"REGISTRY_AUTH_FILE": bad}, good, "", ""},
		"named, missing":        {dir + "/none", nil, "", "", "read credentials: open " + dir + "/none: no such file"},
		"not named, missing":    {"", map[string]string{"XDG_RUNTIME_DIR": dir, "HOME": dir, "DOCKER_CONFIG": dir}, "", "there are no credentials for it in " + dir + "/containers/auth.json, " + dir + "/.config/containers/auth.json, " + dir + "/config.json: log in with \"runcell registry login quay.io\"", ""},
		"a directory":           {"", map[string]string{"DOCKER_CONFIG": dir + "/d"}, "", "", "read credentials: read " + dir + "/d/config.json: is a directory"},
		"bad":                   {bad, nil, "", "", "read credentials: " + bad + `: auths["quay.io"]: auth is not`},
		"broken":                {broken, nil, "", "", "read credentials: " + broken + ": byte "},
		"a helper":              {helper, nil, "", `are kept by the helper docker-credential-two, a program that runcell does not start: log in with "runcell registry login quay.io"`, ""},
		"named, in no other":    {file("empty", " \n"), map[string]string{"HOME": dir}, "", "there are no credentials for it in " + dir + "/empty: log", ""},
		"nothing for it in one": {file("other", `{"auths":{"quay.io.example":{"auth":"YTpi"},"x/y":{"auth":"YTpi"},"quay.io/x/y/z":{"auth":"YTpi"},"quay.io/x":{}}}`), nil, "", "there are no credentials for it in " + dir + "/other: log", ""},
	} {
		if err := os.MkdirAll(dir+"/d/config.json", 0o755); err != nil {
			t.Fatal(err)
		}
		l, err := findLogin(n, c.named, func(k string) string { return c.env[k] })
		if c.err != "" {
			if err == nil || !strings.Contains(err.Error(), c.err) || strings.Contains(err.Error(), "secret") {
				t.Errorf("%s: error is %v; want %q", name, err, c.err)
			}
			continue
		}
		if err != nil || l.file != c.file || !strings.Contains(l.why(), c.why) || (l.Credential != auth.EmptyCredential) != (c.file != "") {
			t.Errorf("%s: %v, %v, %v; want %s, %q", name, l, err, l.why(), c.file, c.why)
		}
	}
	typed := &login{typed: true, file: "f"}
	if why := typed.why(); !strings.HasPrefix(why, "the user name or the password is wrong") || typed.given() {
		t.Errorf("%s, given: %v", why, typed.given())
	}
	if typed.sent.Store(true); !typed.given() {
		t.Error("what was sent was not given")
	}
}

func TestReadAuthFile(t *testing.T) {
	defer func(d time.Duration) { pipeTime = d }(pipeTime)
	pipeTime = 10 * time.Millisecond
	dir := t.TempDir()
	full := strings.Repeat(" ", maxAuthFile)
	for name, content := range map[string]string{"empty": "", "full": full, "large": full + " "} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"nobody", "silent", "written"} {
		if err := unix.Mkfifo(filepath.Join(dir, name), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, content := range map[string]string{"silent": "", "written": "{}"} {
		w, err := os.OpenFile(filepath.Join(dir, name), os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = w.Close() })
		if _, err := w.WriteString(content); err != nil {
			t.Fatal(err)
		}
	}
	for name, c := range map[string]struct {
		n   int
		err string
	}{
		"empty": {0, ""}, "full": {maxAuthFile, ""}, "large": {0, "/large: more than 1048576 bytes"},
		"nobody": {0, "/nobody: it is a pipe to which nobody writes: give a file"}, "silent": {0, "/silent: it is a pipe to which nobody writes: give a file"},
		"written": {0, "nobody writes"}, // to its end
		"none":    {0, "no such file"},
	} {
		data, err := readAuthFile(filepath.Join(dir, name))
		if c.err == "" && (err != nil || len(data) != c.n) || c.err != "" && (err == nil || !strings.Contains(err.Error(), c.err)) {
			t.Errorf("%s: %d bytes, %v; want %d, %q", name, len(data), err, c.n, c.err)
		}
	}
}

func TestParseAuth(t *testing.T) {
	for data, want := range map[string]string{
		"": "", " \n\t ": "", "{}": "", `{"auths":{"x":{"auth":"secret"}}}`: "", `{"secret"`: "not JSON", `{"auths":"secret"}`: `not a file of credentials: want {"auths"`, `{"secret":}`: "byte 11: not JSON", "secret": "byte 1: not JSON",
	} {
		c, err := parseAuth([]byte(data))
		if want == "" && (err != nil || c == nil) || want != "" && (err == nil || !strings.Contains(err.Error(), want) || strings.Contains(err.Error(), "secret")) {
			t.Errorf("%q: %v; want %q", data, err, want)
		}
	}
}

// The most specific key counts, in all the ways in which it is written.
func TestFind(t *testing.T) {
	entry := func(user string) authEntry {
		return authEntry{Auth: base64.StdEncoding.EncodeToString([]byte(user + ":p"))}
	}
	n := reference.Name{Registry: "docker.io", Repository: "library/x", Tag: "1"}
	for name, c := range map[string]struct {
		auths map[string]authEntry
		user  string
	}{
		"the repository":        {map[string]authEntry{"docker.io": entry("a"), "docker.io/library": entry("b"), "docker.io/library/x": entry("c"), "docker.io/library/x/y": entry("d")}, "c"},
		"the directory":         {map[string]authEntry{"docker.io": entry("a"), "docker.io/library": entry("b"), "docker.io/libra": entry("d")}, "b"},
		"the registry":          {map[string]authEntry{"https://index.docker.io/v1/": entry("a"), "quay.io": entry("d")}, "a"},
		"one that has nothing":  {map[string]authEntry{"docker.io": entry("a"), "docker.io/library/x": {}}, "a"},
		"of somebody else":      {map[string]authEntry{"": entry("d"), "quay.io": entry("d"), "io": entry("d"), "docker.io.example": entry("d")}, ""},
		"the tail of a name":    {map[string]authEntry{"library/x": entry("d"), "x": entry("d")}, ""},
		"a registry, no prefix": {map[string]authEntry{"docker.i": entry("d")}, ""},
	} {
		l := &login{}
		found, err := (&authConfig{Auths: c.auths, CredsStore: "h"}).find(n, l)
		if err != nil || l.Username != c.user || found != (c.user != "") || (l.helper == "h") != !found {
			t.Errorf("%s: %v, %v, %s, helper %q; want %s", name, found, err, l.Username, l.helper, c.user)
		}
	}
	l := &login{helper: "first"}
	if _, err := (&authConfig{CredsStore: "h"}).find(n, l); err != nil || l.helper != "first" {
		t.Errorf("the helper is %s, %v", l.helper, err)
	}
	for written, want := range map[string]string{
		"docker.io": "docker.io", "https://index.docker.io/v1/": "docker.io", "registry-1.docker.io": "docker.io", "http://registry-1.docker.io/v2/": "docker.io", "index.docker.io/library": "docker.io/library",
		"quay.io/": "quay.io", "quay.io/v1": "quay.io", "quay.io/v2/": "quay.io", "quay.io/v3": "quay.io/v3", "https://quay.io/x/y": "quay.io", "http://quay.io": "quay.io", "quay.io/x/y": "quay.io/x/y", "https://quay.io:5000": "quay.io:5000", "": "",
	} {
		if got := authKey(written); got != want {
			t.Errorf("authKey(%q) = %q; want %q", written, got, want)
		}
	}
	for _, c := range []struct {
		entry authEntry
		want  auth.Credential
		err   string
	}{
		{authEntry{}, auth.EmptyCredential, ""},
		{entry("me"), auth.Credential{Username: "me", Password: "p"}, ""},
		{authEntry{Auth: base64.StdEncoding.EncodeToString([]byte("me:a:b\x00\x00"))}, auth.Credential{Username: "me", Password: "a:b"}, ""},
		{authEntry{Auth: entry("me").Auth, IdentityToken: "t"}, auth.Credential{RefreshToken: "t"}, ""},
		{authEntry{RegistryToken: "t"}, auth.Credential{AccessToken: "t"}, ""},
		{authEntry{Auth: "?"}, auth.EmptyCredential, "auth is not base64"},
		{authEntry{Auth: base64.StdEncoding.EncodeToString([]byte("secret"))}, auth.EmptyCredential, "auth is not user:password"},
		{authEntry{Auth: base64.StdEncoding.EncodeToString([]byte(":secret"))}, auth.EmptyCredential, "auth is not user:password"},
	} {
		got, err := c.entry.credential()
		if got != c.want || (err != nil) != (c.err != "") || err != nil && err.Error() != c.err {
			t.Errorf("%+v: %+v, %v; want %+v, %q", c.entry, got, err, c.want, c.err)
		}
	}
}

// FuzzAuth: whatever the file says, nobody else's credentials come out of it.
func FuzzAuth(f *testing.F) {
	for _, s := range []string{
		`{"auths":{"quay.io":{"auth":"YTpi"}}}`, `{"auths":{"quay.io/x/y":{"identitytoken":"t"}},"credsStore":"x"}`, `{"auths":{"https://quay.io/v1/":{"auth":"YQ=="}}}`, `{`, `null`, ``,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		c, err := parseAuth(data)
		if err != nil {
			return
		}
		l := &login{}
		found, err := c.find(reference.Name{Registry: "quay.io", Repository: "x/y", Tag: "1"}, l)
		if err != nil || !found {
			return
		}
		for key := range c.Auths {
			if k := authKey(key); k == "quay.io" || k == "quay.io/x" || k == "quay.io/x/y" {
				return
			}
		}
		t.Fatalf("%q has credentials %+v for quay.io", data, l.Credential)
	})
}
