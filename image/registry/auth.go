package registry

// Credentials for registries, from the files that podman and docker keep.
//
// Both can also leave them to helpers, programs that are found through PATH.
// runcell starts none: it goes on without credentials, and an error that
// comes of it names the helper.

import (
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/reference"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// maxAuthFile is the most that is read of a file of credentials, in bytes.
const maxAuthFile = 1 << 20

// authConfig is what matters in containers-auth.json(5) and in docker's
// config.json, which have the same shape.
type authConfig struct {
	Auths       map[string]authEntry `json:"auths"`
	CredHelpers map[string]string    `json:"credHelpers"`
	CredsStore  string               `json:"credsStore"`
}

type authEntry struct {
	Auth          string `json:"auth,omitempty"`          // base64 of user:password
	IdentityToken string `json:"identitytoken,omitempty"` // for OAuth 2
	RegistryToken string `json:"registrytoken,omitempty"` // a bearer token
}

// login is what the files say about a registry.
type login struct {
	auth.Credential
	host   string
	file   string // where it was found
	helper string // a helper that would have it
	files  []string
	typed  bool // it is from no file
	sent   atomic.Bool
}

// given tells whether the registry has asked for the credentials.
func (l *login) given() bool { return l.sent.Load() }

// why explains to a user whom a registry has refused which credentials were
// sent.
func (l *login) why() string {
	switch {
	case l.typed:
		return "the user name or the password is wrong, or may not come in"
	case l.file != "":
		return "the credentials are those in " + l.file
	case l.helper != "":
		return "the credentials are kept by the helper docker-credential-" + l.helper + ", a program that runcell does not start: log in with \"runcell registry login " + l.host + "\""
	}
	return "there are no credentials for it in " + strings.Join(l.files, ", ") + ": log in with \"runcell registry login " + l.host + "\" or give --authfile FILE"
}

// findLogin looks for the credentials of a repository. file, or else
// REGISTRY_AUTH_FILE, is the only file then, and has to exist.
func findLogin(n reference.Name, file string, getenv func(string) string) (*login, error) {
	file = named(file, getenv)
	l := &login{host: n.Registry, files: authFiles(getenv)}
	if file != "" {
		l.files = []string{file}
	}
	for _, path := range l.files {
		data, err := readAuthFile(path)
		if errors.Is(err, fs.ErrNotExist) && file == "" {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read credentials: %w", err)
		}
		c, err := parseAuth(data)
		if err != nil {
			return nil, fmt.Errorf("read credentials: %s: %w", path, err)
		}
		found, err := c.find(n, l)
		if err != nil {
			return nil, fmt.Errorf("read credentials: %s: %w", path, err)
		}
		if found {
			l.file = path
			return l, nil
		}
	}
	return l, nil
}

// named is the only file, if one is named.
func named(file string, getenv func(string) string) string {
	if file == "" {
		file = getenv("REGISTRY_AUTH_FILE")
	}
	return file
}

// authFiles lists where podman and docker keep credentials, in podman's order.
func authFiles(getenv func(string) string) []string {
	return append(podmanFiles(getenv), dockerFiles(getenv)...)
}

// podmanFiles are podman's: first the one that goes with the session, then, if there
// is a place for it, the one that stays.
func podmanFiles(getenv func(string) string) []string {
	list := []string{"/run/containers/" + strconv.Itoa(os.Getuid()) + "/auth.json"}
	if dir := getenv("XDG_RUNTIME_DIR"); dir != "" {
		list[0] = dir + "/containers/auth.json"
	}
	if dir := getenv("XDG_CONFIG_HOME"); dir != "" {
		list = append(list, dir+"/containers/auth.json")
	} else if home := getenv("HOME"); home != "" {
		list = append(list, home+"/.config/containers/auth.json")
	}
	return list
}

func dockerFiles(getenv func(string) string) []string {
	if dir := getenv("DOCKER_CONFIG"); dir != "" {
		return []string{dir + "/config.json"}
	} else if home := getenv("HOME"); home != "" {
		return []string{home + "/.docker/config.json"}
	}
	return nil
}

// pipeTime is how long a pipe may take to give credentials.
var pipeTime = 10 * time.Second

// readAuthFile reads a file of credentials, which may be a pipe to a program that
// gives them. One to which nobody writes is an error, not a wait.
func readAuthFile(path string) ([]byte, error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0) //nolint:forbidigo // the operator's own file
	if err != nil {
		return nil, err
	}
	defer f.Close()
	fi, err := f.Stat()
	if err != nil {
		return nil, err
	}
	pipe := fi.Mode()&fs.ModeNamedPipe != 0
	if pipe {
		if err := f.SetReadDeadline(time.Now().Add(pipeTime)); err != nil {
			return nil, err
		}
	}
	data, err := io.ReadAll(io.LimitReader(f, maxAuthFile+1))
	switch {
	case len(data) > maxAuthFile:
		err = fmt.Errorf("%s: more than %d bytes", path, maxAuthFile)
	case pipe && (errors.Is(err, os.ErrDeadlineExceeded) || len(data) == 0):
		err = fmt.Errorf("%s: it is a pipe to which nobody writes: give a file", path)
	}
	return data, err
}

// parseAuth reads a file of credentials. Errors never quote it.
func parseAuth(data []byte) (*authConfig, error) {
	c := &authConfig{}
	if len(strings.TrimSpace(string(data))) == 0 {
		return c, nil
	}
	if err := json.Unmarshal(data, c); err != nil {
		var syntax *json.SyntaxError
		if errors.As(err, &syntax) {
			return nil, fmt.Errorf("byte %d: not JSON", syntax.Offset)
		}
		return nil, errors.New("not a file of credentials: want {\"auths\": {REGISTRY: {\"auth\": BASE64}}}")
	}
	return c, nil
}

// find puts the credentials of the most specific key into l.
func (c *authConfig) find(n reference.Name, l *login) (bool, error) {
	for key := n.Registry + "/" + n.Repository; ; {
		for written, e := range c.Auths {
			if authKey(written) != key {
				continue
			}
			cred, err := e.credential()
			if err != nil {
				return false, fmt.Errorf("auths[%s]: %w", image.Quote(written), err)
			}
			if cred != auth.EmptyCredential {
				l.Credential = cred
				return true, nil
			}
		}
		i := strings.LastIndexByte(key, '/')
		if i < 0 {
			break
		}
		key = key[:i]
	}
	helper := c.CredsStore
	for written, h := range c.CredHelpers {
		if authKey(written) == n.Registry {
			helper = h
		}
	}
	if l.helper == "" {
		l.helper = helper
	}
	return false, nil
}

// authKey gives a key without what docker's old versions wrote around the
// registry: a scheme, and the path /v1/ or /v2/. Docker Hub has several names.
func authKey(s string) string {
	rest, isURL := strings.CutPrefix(s, "https://")
	if !isURL {
		rest, isURL = strings.CutPrefix(rest, "http://")
	}
	rest = strings.TrimRight(rest, "/")
	if isURL {
		rest, _, _ = strings.Cut(rest, "/")
	}
	host, path, found := strings.Cut(rest, "/")
	switch host {
	case "index.docker.io", "registry-1.docker.io":
		host = "docker.io"
	}
	if path == "v1" || path == "v2" || !found {
		return host
	}
	return host + "/" + path
}

func (e authEntry) credential() (auth.Credential, error) {
	cred := auth.Credential{RefreshToken: e.IdentityToken, AccessToken: e.RegistryToken}
	if e.Auth == "" {
		return cred, nil
	}
	data, err := base64.StdEncoding.DecodeString(e.Auth)
	if err != nil {
		return auth.EmptyCredential, errors.New("auth is not base64")
	}
	user, password, found := strings.Cut(string(data), ":")
	if !found || user == "" {
		return auth.EmptyCredential, errors.New("auth is not user:password")
	}
	password = strings.Trim(password, "\x00") // as docker does
	if cred.RefreshToken == "" {
		cred.Username, cred.Password = user, password
	}
	return cred, nil
}
