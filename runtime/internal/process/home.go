package process

// HOME, where the configuration does not say: what the container's own list of
// users has for the user (passwd(5)), as with the peers.

import (
	"bytes"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/kmod/inroot"
)

const (
	homeName = "HOME"
	// noHome is the directory of a user that the container doesn't know.
	noHome = "/"
	// passwdFile is the container's; more than passwdMost bytes are not read.
	passwdFile = "/etc/passwd"
	passwdMost = 1 << 20
)

// Home is a variable HOME for the environment of a child that is forked before
// its root is there, and so before it is known: "HOME=/root" and zeros.
type Home [1024]byte

// Addr is where the string begins.
func (h *Home) Addr() *byte { return &h[0] }

// Set puts a directory in; one that is too long is unknown.
func (h *Home) Set(dir string) {
	*h = Home{}
	v := homeName + "=" + dir
	if len(v) >= len(h) {
		v = homeName + "=" + noHome
	}
	copy(h[:], v)
}

// WithoutHome takes an empty HOME out of an environment, and tells whether
// there is none then.
func WithoutHome(env []string) (rest []string, none bool) {
	if envValue(env, homeName, "") != "" {
		return env, false
	}
	rest = make([]string, 0, len(env))
	for _, e := range env {
		if !strings.HasPrefix(e, homeName+"=") {
			rest = append(rest, e)
		}
	}
	return rest, true
}

// WithHome adds HOME to an environment that has none.
func WithHome(env []string, root *inroot.Dir, uid uint32) []string {
	rest, none := WithoutHome(env)
	if !none {
		return env
	}
	return append(rest, homeName+"="+HomeOf(root, uid))
}

// HomeOf finds a user's directory in the container's list of users. The list
// may be anything: what can't be read of it is not there.
func HomeOf(root *inroot.Dir, uid uint32) string {
	list, err := root.ReadFile(passwdFile, passwdMost)
	if err != nil {
		return noHome
	}
	id := strconv.FormatUint(uint64(uid), 10)
	for line := range bytes.Lines(list) {
		// name:password:uid:gid:comment:directory:shell
		f := strings.Split(strings.TrimSuffix(string(line), "\n"), ":")
		if len(f) < 6 || f[2] != id {
			continue
		}
		if dir := f[5]; dir != "" && !strings.ContainsRune(dir, 0) {
			return dir
		}
		return noHome
	}
	return noHome
}
