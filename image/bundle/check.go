package bundle

// What an image that is made may say of its program. What others have made is taken
// where it can be understood.

import (
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/signame"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
)

// maxDirectory is how many bytes the path of a directory may have (PATH_MAX of Linux).
const maxDirectory = 4096

// CheckConfig refuses what Unpack would refuse of an image's configuration, and what
// nobody can use, or every runtime takes for something else. Its errors name the
// field.
func CheckConfig(c *v1.ImageConfig) error {
	if _, err := environment(c.Env, "", "", nil); err != nil {
		return err
	}
	if c.User != "" {
		if err := checkUser(c.User); err != nil {
			return fmt.Errorf("config.User %s: %w", image.Quote(c.User), err)
		}
	}
	if c.WorkingDir != "" {
		if err := checkDirectory(c.WorkingDir); err != nil {
			return fmt.Errorf("config.WorkingDir %s: %w", image.Quote(c.WorkingDir), err)
		}
	}
	for _, v := range slices.Sorted(maps.Keys(c.Volumes)) {
		if err := checkDirectory(v); err != nil {
			return fmt.Errorf("config.Volumes %s: %w", image.Quote(v), err)
		}
	}
	if s := c.StopSignal; s != "" && !signame.Known(s) {
		return fmt.Errorf("config.StopSignal %s: want a name such as SIGINT or SIGRTMIN+3, or a number from 1 to 64", image.Quote(s))
	}
	if _, empty := c.ExposedPorts[""]; empty {
		return errors.New(`config.ExposedPorts "": want PORT, PORT/tcp or PORT/udp`)
	}
	_, err := exposed(c.ExposedPorts)
	return err
}

// checkUser looks at USER[:GROUP]; lookupUser finds who that is.
func checkUser(s string) error {
	name, group, hasGroup := strings.Cut(s, ":")
	if hasGroup && group == "" || strings.Contains(group, ":") {
		return errors.New("want USER or USER:GROUP, names or numbers")
	}
	for _, part := range []string{name, group} {
		switch n, err := strconv.ParseUint(part, 10, 64); {
		case part == group && !hasGroup:
		case part == "" || part[0] == '-' || strings.ContainsFunc(part, func(r rune) bool { return r <= ' ' || r == 0x7f }):
			return errors.New("want USER or USER:GROUP, names or numbers")
		case err == nil && n >= math.MaxUint32, errors.Is(err, strconv.ErrRange):
			return fmt.Errorf("%s is no id: they go to %d", part, uint32(math.MaxUint32-1))
		}
	}
	return nil
}

// checkDirectory wants a path that is the same for every runtime.
func checkDirectory(path string) error {
	if !strings.HasPrefix(path, "/") {
		return errors.New("want a path from the image's root: begin it with a slash")
	}
	_, err := image.Components(path, maxDirectory)
	return err
}
