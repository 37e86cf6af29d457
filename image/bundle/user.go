package bundle

// The image's user, looked up in the image's own passwd and group files.

import (
	"bytes"
	"errors"
	"fmt"
	"math"

	"github.com/moby/sys/user"
	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

const (
	maxAccounts = 8 << 20 // bytes of /etc/passwd and /etc/group
)

// lookupUser resolves Config.User (image-spec, config.md: user, uid,
// user:group, uid:gid, uid:group or user:gid). The files are read through the
// tree: they can be links inside it, never FIFOs or devices (CVE-2024-9676).
// home is "" if the user has no passwd entry.
func lookupUser(t *inroot.Tree, name string) (u specs.User, home string, err error) {
	passwd, err := accounts(t, "etc/passwd")
	if err != nil {
		return u, "", err
	}
	group, err := accounts(t, "etc/group")
	if err != nil {
		return u, "", err
	}
	found, err := user.GetExecUser(name, &user.ExecUser{}, bytes.NewReader(passwd), bytes.NewReader(group))
	if err != nil {
		return u, "", fmt.Errorf("config.User %s: %w (looked up in the image's /etc/passwd and /etc/group)", image.Quote(name), err)
	}
	if !isID(found.Uid) || !isID(found.Gid) {
		return u, "", fmt.Errorf("config.User %s: %d:%d is out of range", image.Quote(name), found.Uid, found.Gid)
	}
	u = specs.User{UID: uint32(found.Uid), GID: uint32(found.Gid)}
	for _, g := range found.Sgids {
		if !isID(g) {
			return u, "", fmt.Errorf("config.User %s: group id %d is out of range", image.Quote(name), g)
		}
		u.AdditionalGids = append(u.AdditionalGids, uint32(g))
	}
	return u, found.Home, nil
}

// isID tells whether n can be a user or group id; 2^32-1 is none. The largest
// int is what the parser makes of any larger number.
func isID(n int) bool { return n >= 0 && n < math.MaxInt && int64(n) < math.MaxUint32 }

// accounts reads a file that may be missing.
func accounts(t *inroot.Tree, path string) ([]byte, error) {
	data, err := t.ReadFile(path, maxAccounts)
	if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.ENOTDIR) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the image's /%s: %w", path, err)
	}
	return data, nil
}
