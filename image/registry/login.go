package registry

// Logging in and out: the one place that writes a file of credentials. It has the
// shape of podman's (containers-auth.json(5)), so that either finds what the other
// has kept.

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/image/internal/lock"
	"github.com/netbsd-cells/runcell/image/reference"
	"github.com/netbsd-cells/runcell/kmod/flock"
	"oras.land/oras-go/v2/registry/remote/auth"
)

// Kept says where credentials are.
type Kept struct {
	File string
	// Asked tells that the registry has looked at them. One that asks nobody who
	// they are takes any password.
	Asked bool
}

// Login asks a registry, host[:port], whether it lets a user in, and keeps user and
// password then: in o.AuthFile or else REGISTRY_AUTH_FILE; in the file of podman's
// that has some for the registry; or in the one of those that outlives a reboot.
// The file is its owner's alone, and is replaced as a whole.
func Login(ctx context.Context, host, user, password string, o Options) (k Kept, err error) {
	return logIn(ctx, host, user, password, o, os.Getenv)
}

func logIn(ctx context.Context, host, user, password string, o Options, getenv func(string) string) (k Kept, err error) {
	switch {
	case user == "" || strings.Contains(user, ":"):
		return k, errors.New("the user name is empty, or has a colon in it, which ends a name in every file of credentials")
	case password == "":
		return k, errors.New("the password is empty")
	case strings.ContainsRune(user+password, 0):
		return k, errors.New("the user name or the password has a NUL byte in it")
	}
	if k.File, err = keepIn(host, o.AuthFile, getenv); err != nil {
		return k, err
	}
	if k.Asked, err = check(ctx, host, auth.Credential{Username: user, Password: password}, o); err != nil {
		return k, err
	}
	entry, err := json.Marshal(authEntry{Auth: base64.StdEncoding.EncodeToString([]byte(user + ":" + password))})
	if err != nil {
		return k, err
	}
	err = changeAuths(ctx, k.File, func(auths map[string]json.RawMessage) {
		maps.DeleteFunc(auths, func(key string, _ json.RawMessage) bool { return authKey(key) == host })
		auths[host] = entry
	})
	if err != nil {
		return k, fmt.Errorf("keep credentials: %w", err)
	}
	return k, nil
}

// check asks for nothing but whether somebody is let in (distribution-spec,
// "Determining Support").
func check(ctx context.Context, host string, c auth.Credential, o Options) (asked bool, err error) {
	r := prepare(reference.Name{Registry: host}, o, &login{Credential: c, typed: true, host: host})
	defer r.Close()
	given := r.login.given
	ask := func(header map[string]string) error {
		return r.try(ctx, func() error {
			resp, err := r.send(ctx, http.MethodGet, "", header, http.StatusOK)
			if err == nil {
				err = resp.Body.Close()
			}
			return err
		})
	}
	if err := ask(nil); err != nil || given() {
		return given(), err
	}
	// Who asks nobody may still look at what it is sent.
	return false, ask(map[string]string{"Authorization": "Basic " + base64.StdEncoding.EncodeToString([]byte(c.Username+":"+c.Password))})
}

// keepIn is the file that gets the credentials of a registry.
func keepIn(host, file string, getenv func(string) string) (string, error) {
	if file = named(file, getenv); file != "" {
		return file, nil
	}
	files := podmanFiles(getenv)
	for _, path := range files {
		c, err := readAuths(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return "", fmt.Errorf("read credentials: %w", err)
		}
		if err == nil && c.has(host) {
			return path, nil
		}
	}
	if len(files) < 2 { // the first one goes with the session, or the next boot
		return "", errors.New("there is no place for credentials: set HOME or XDG_CONFIG_HOME, or give --authfile FILE")
	}
	return files[1], nil
}

// has tells whether there are credentials for a registry, or a part of it.
func (c *authConfig) has(host string) bool {
	for key := range c.Auths {
		if of(key, host) {
			return true
		}
	}
	return false
}

// of tells whether a key of a file is a registry's, or that of a part of it.
func of(key, host string) bool {
	k := authKey(key)
	return k == host || strings.HasPrefix(k, host+"/")
}

// Logout removes the credentials for a registry and all parts of it, and gives the
// files in which there were some: o.AuthFile or else REGISTRY_AUTH_FILE alone, or those of
// podman's. It is an error if there were none, or if docker's own file has some, which
// is left alone. A file that can't be read keeps none of the others.
func Logout(ctx context.Context, host string, o Options) (files []string, err error) {
	return logOut(ctx, host, o.AuthFile, os.Getenv)
}

func logOut(ctx context.Context, host, file string, getenv func(string) string) (gone []string, failed error) {
	list, docker := podmanFiles(getenv), dockerFiles(getenv)
	if file = named(file, getenv); file != "" {
		list, docker = []string{file}, nil
	}
	all := slices.Concat(list, docker)
	for _, path := range all {
		c, err := readAuths(path)
		if errors.Is(err, fs.ErrNotExist) && file == "" {
			continue
		}
		switch {
		case err != nil:
			failed = errors.Join(failed, fmt.Errorf("read credentials: %w", err))
			continue
		case !c.has(host):
			continue
		case slices.Contains(docker, path):
			failed = errors.Join(failed, fmt.Errorf("%s, which is docker's, has credentials for %s: \"docker logout\" removes them, or --authfile %s", path, host, path))
			continue
		}
		err = changeAuths(ctx, path, func(auths map[string]json.RawMessage) {
			maps.DeleteFunc(auths, func(key string, _ json.RawMessage) bool { return of(key, host) })
		})
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("remove credentials: %w", err))
			continue
		}
		gone = append(gone, path)
	}
	if len(gone) == 0 && failed == nil {
		return nil, fmt.Errorf("there are no credentials for %s in %s", host, strings.Join(all, ", "))
	}
	return gone, failed
}

func readAuths(path string) (*authConfig, error) {
	data, err := readAuthFile(path)
	if err != nil {
		return nil, err
	}
	c, err := parseAuth(data)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return c, nil
}

// changeAuths changes the entries of a file, which is made if it is not there. What
// else is in it stays. Only one runcell at a time does so in a directory, so what is
// left of a new file is nobody's.
func changeAuths(ctx context.Context, path string, edit func(map[string]json.RawMessage)) (err error) {
	if to, err := filepath.EvalSymlinks(path); err == nil { //nolint:forbidigo // the operator's own file
		path = to // a link stays one
	} else if to, linkErr := os.Readlink(path); linkErr == nil { //nolint:forbidigo // as above
		return fmt.Errorf("%s is a link to %s, where nothing is: make an empty file there, or remove the link: %w", path, image.Quote(to), err)
	}
	dir := filepath.Dir(path)
	if err := os.MkdirAll(dir, 0o700); err != nil { //nolint:forbidigo // the operator's own path
		return err
	}
	held, err := os.Open(dir) //nolint:forbidigo // the operator's own path
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, held.Close()) }()
	if err := lock.File(ctx, held, flock.Exclusive); err != nil {
		return err
	}
	before, err := os.Stat(path) //nolint:forbidigo // the operator's own file
	if errors.Is(err, fs.ErrNotExist) {
		before, err = nil, nil
	}
	if err != nil {
		return err
	}
	var data []byte
	if before != nil {
		if !before.Mode().IsRegular() {
			return fmt.Errorf("%s is no regular file: give --authfile FILE", path)
		}
		if data, err = readAuthFile(path); err != nil {
			return err
		}
	}
	if data, err = editAuths(data, edit); err != nil {
		return fmt.Errorf("%s: %w", path, err)
	}
	if err := replace(path, data, before); err != nil {
		return err
	}
	return held.Sync()
}

// replace gives a file a new content, whole or not at all, for its owner alone. It
// stays that owner's.
func replace(path string, data []byte, before fs.FileInfo) error {
	temp := path + ".runcell-new"
	if err := os.Remove(temp); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600) //nolint:forbidigo // the operator's own path
	if err != nil {
		return err
	}
	if st, ok := sysOf(before); ok && os.Geteuid() == 0 {
		err = f.Chown(int(st.Uid), int(st.Gid))
	}
	if err == nil {
		_, err = f.Write(data)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path) //nolint:forbidigo // the operator's own path
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	return nil
}

func sysOf(fi fs.FileInfo) (*syscall.Stat_t, bool) {
	if fi == nil {
		return nil, false
	}
	st, ok := fi.Sys().(*syscall.Stat_t)
	return st, ok
}

// editAuths edits the entries in what a file holds. They are those that parseAuth
// finds: under "auths" in any case, and more than once.
func editAuths(data []byte, edit func(map[string]json.RawMessage)) ([]byte, error) {
	if _, err := parseAuth(data); err != nil {
		return nil, err
	}
	whole := map[string]json.RawMessage{}
	var is struct {
		Auths map[string]json.RawMessage `json:"auths"`
	}
	if len(strings.TrimSpace(string(data))) > 0 {
		if err := errors.Join(json.Unmarshal(data, &whole), json.Unmarshal(data, &is)); err != nil || whole == nil {
			return nil, errors.New("not a file of credentials: want {\"auths\": {REGISTRY: {\"auth\": BASE64}}}")
		}
	}
	maps.DeleteFunc(whole, func(key string, _ json.RawMessage) bool { return strings.EqualFold(key, "auths") })
	if is.Auths == nil {
		is.Auths = map[string]json.RawMessage{}
	}
	edit(is.Auths)
	var err error
	if whole["auths"], err = json.Marshal(is.Auths); err != nil {
		return nil, err
	}
	data, err = json.MarshalIndent(whole, "", "\t")
	if err == nil && len(data) >= maxAuthFile {
		err = fmt.Errorf("it would have %d bytes, at most %d are read", len(data), maxAuthFile)
	}
	return append(data, '\n'), err
}
