package registry

// Where credentials come from, and whose they are.

import (
	"encoding/base64"
	"os"
	"path/filepath"
	"testing"

	"github.com/netbsd-cells/runcell/image/reference"
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
