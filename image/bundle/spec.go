package bundle

// From an image config to a runtime config (image-spec, conversion.md).

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/netbsd-cells/runcell/image"
	"github.com/netbsd-cells/runcell/kmod/inroot"
	"github.com/netbsd-cells/runcell/kmod/searchpath"
	"github.com/netbsd-cells/runcell/kmod/signame"
	v1 "github.com/opencontainers/image-spec/specs-go/v1"
	specs "github.com/opencontainers/runtime-spec/specs-go"
	"golang.org/x/sys/unix"
)

// Annotations that conversion.md names, and ours.
const (
	annotationPrefix = "org.opencontainers.image."
	cellPrefix       = "org.netbsd.cell."
	reservedPorts    = cellPrefix + "reserved-ports"
)

// defaultMounts are what programs can't do without, as "runcell spec" has
// them. The cell's /dev is the runtime's own, whatever nodes the image has.
func defaultMounts() []specs.Mount {
	return []specs.Mount{
		{Destination: "/proc", Type: "proc", Source: "proc", Options: []string{"nosuid", "noexec", "nodev"}},
		{Destination: "/dev", Type: "tmpfs", Source: "tmpfs", Options: []string{"nosuid", "mode=755", "size=65536k"}},
		{
			Destination: "/dev/pts", Type: "devpts", Source: "devpts",
			Options: []string{"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620", "gid=" + ttyGroup},
		},
		{
			Destination: "/dev/shm", Type: "tmpfs", Source: "shm",
			Options: []string{"nosuid", "noexec", "nodev", "mode=1777", "size=65536k"},
		},
	}
}

// runtimeSpec makes the bundle's config.json. It makes the working directory
// and the volumes' directories in the tree if they are missing.
func runtimeSpec(t *inroot.Tree, cfg *v1.Image, reserve bool, n *image.Notes) (*specs.Spec, error) {
	c := cfg.Config
	u, home, err := lookupUser(t, c.User)
	if err != nil {
		return nil, err
	}
	env, err := environment(c.Env, cfg.OS, home, n)
	if err != nil {
		return nil, err
	}
	args := slices.Concat(c.Entrypoint, c.Cmd)
	if len(args) == 0 {
		args = []string{"/bin/sh"}
		n.Add("config.Cmd", "the image names no program: process.args is /bin/sh")
	}
	for i, a := range args {
		if strings.ContainsRune(a, 0) {
			return nil, fmt.Errorf("config.Entrypoint and Cmd: argument %d has a NUL byte", i)
		}
	}
	cwd, err := directory(t, "config.WorkingDir", c.WorkingDir)
	if err != nil {
		return nil, err
	}
	for _, v := range slices.Sorted(maps.Keys(c.Volumes)) {
		_, err := directory(t, "config.Volumes", v)
		switch {
		case isFile(err):
			n.Add("config.Volumes "+image.Quote(v), volumeOnFile)
		case err != nil:
			return nil, err
		default:
			n.Add("config.Volumes "+image.Quote(v), volumeInRootfs)
		}
	}
	annotations, err := annotate(cfg, reserve, n)
	if err != nil {
		return nil, err
	}
	return &specs.Spec{
		Version:     specs.Version,
		Process:     &specs.Process{User: u, Args: args, Env: env, Cwd: cwd},
		Root:        &specs.Root{Path: rootfsName},
		Mounts:      defaultMounts(),
		Annotations: annotations,
	}, nil
}

// Notes about volumes.
const (
	volumeInRootfs = "a volume is an ordinary directory of the rootfs: mount something there to keep its data apart"
	volumeOnFile   = "the volume is a file in the image, and stays one"
)

// isFile tells whether a directory was not entered because it is a file.
func isFile(err error) bool { return errors.Is(err, unix.ENOTDIR) }

// environment is the image's, with PATH and HOME if it sets none. What is no
// variable is left out with a note; without notes it is an error.
func environment(list []string, os, home string, n *image.Notes) ([]string, error) {
	var env []string
	var path, homeSet bool
	for i, e := range list {
		name, _, found := strings.Cut(e, "=")
		switch where := fmt.Sprintf("config.Env[%d] %s", i, image.Quote(e)); {
		case strings.ContainsRune(e, 0) || n == nil && (!found || name == ""):
			return nil, fmt.Errorf("%s: want NAME=value", where)
		case !found || name == "":
			n.Add(where, "it is no NAME=value, and was left out: the host's variable of that name is not the image's")
			continue
		}
		env = append(env, e)
		path = path || name == "PATH"
		homeSet = homeSet || name == "HOME"
	}
	if !path {
		env = append([]string{"PATH=" + searchpath.Of(os)}, env...)
	}
	if !homeSet && home != "" && !strings.ContainsRune(home, 0) {
		env = append(env, "HOME="+home)
	}
	return env, nil
}

// directory gives path, which the image config's field names, as an absolute
// one and makes it, root's and mode 0755, if it is missing.
func directory(t *inroot.Tree, field, path string) (string, error) {
	if path == "" {
		return "/", nil
	}
	names, err := image.Components(path, maxDirectory)
	if err == nil {
		err = t.Enter(names, true)
	}
	if err != nil {
		return "", fmt.Errorf("%s %s: %w", field, image.Quote(path), err)
	}
	return "/" + strings.Join(names, "/"), nil
}

// annotate gives the annotations of conversion.md. Labels may override them
// as it demands, but an image doesn't configure its own cell: labels that
// runcell would read as such are left out.
func annotate(cfg *v1.Image, reserve bool, n *image.Notes) (map[string]string, error) {
	ports, err := reservable(cfg.Config.ExposedPorts, reserve, n)
	if err != nil {
		return nil, err
	}
	if s := cfg.Config.StopSignal; s != "" && !signame.Known(s) {
		n.Add("config.StopSignal "+image.Quote(s), "it is no signal: \"runcell stop\" needs --time 0, which kills")
	}
	all := map[string]string{
		annotationPrefix + "os":           cfg.OS,
		annotationPrefix + "architecture": cfg.Architecture,
		annotationPrefix + "variant":      cfg.Variant,
		annotationPrefix + "os.version":   cfg.OSVersion,
		annotationPrefix + "author":       cfg.Author,
		annotationPrefix + "created":      timeString(cfg.Created),
		annotationPrefix + "stopSignal":   cfg.Config.StopSignal,
		annotationPrefix + "exposedPorts": strings.Join(slices.Sorted(maps.Keys(cfg.Config.ExposedPorts)), ","),
	}
	for label, value := range cfg.Config.Labels {
		if strings.HasPrefix(label, cellPrefix) {
			continue
		}
		all[label] = value
	}
	for _, label := range slices.Sorted(maps.Keys(cfg.Config.Labels)) {
		if strings.HasPrefix(label, cellPrefix) {
			n.Add("config.Labels "+image.Quote(label), "the label was left out: an image may not grant its own cell anything")
		}
	}
	all[reservedPorts] = strings.Join(ports, ",")
	maps.DeleteFunc(all, func(k, v string) bool { return v == "" || k == "" })
	return all, nil
}

// timeString is a time as RFC 3339 has it; no time is "".
func timeString(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.Format(time.RFC3339Nano)
}

// reservable gives the ports to reserve, if that is asked for. Else a port that
// nobody could reserve is a note: EXPOSE is a hint, and anything is found there.
func reservable(set map[string]struct{}, reserve bool, n *image.Notes) ([]string, error) {
	if reserve {
		ports, err := exposed(set)
		if err != nil {
			err = fmt.Errorf("%w, which can be reserved: leave --reserve-ports out", err)
		}
		return ports, err
	}
	for _, s := range slices.Sorted(maps.Keys(set)) {
		if _, _, _, err := parsePorts(s); err != nil {
			n.Add("config.ExposedPorts "+image.Quote(s), "it names no port that could be reserved")
		}
	}
	return nil, nil
}

// parsePorts reads an element of ExposedPorts: "8080", "8080/tcp",
// "8000-8003/udp", the protocol in any case.
func parsePorts(s string) (first, last uint64, proto string, err error) {
	numbers, proto, hasProto := strings.Cut(s, "/")
	from, to, isRange := strings.Cut(numbers, "-")
	if !isRange {
		to = from
	}
	proto = strings.ToLower(proto)
	first, err1 := strconv.ParseUint(from, 10, 16)
	last, err2 := strconv.ParseUint(to, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || last < first || hasProto && proto != "tcp" && proto != "udp" {
		return 0, 0, "", fmt.Errorf("config.ExposedPorts %s: want PORT, PORT/tcp or PORT/udp", image.Quote(s))
	}
	if !hasProto {
		proto = "tcp" // the image specification's default
	}
	return first, last, proto, nil
}

// exposed turns ExposedPorts into reserved ports, sorted by number. An empty
// element, which docker makes of an empty variable, is none.
func exposed(set map[string]struct{}) ([]string, error) {
	const most = 1024
	type port struct {
		number uint64
		proto  string
	}
	var list []port
	for _, s := range slices.Sorted(maps.Keys(set)) {
		if s == "" {
			continue
		}
		first, last, proto, err := parsePorts(s)
		if err != nil {
			return nil, err
		}
		if uint64(len(list))+last-first >= most {
			return nil, fmt.Errorf("config.ExposedPorts: more than %d ports", most)
		}
		for n := first; n <= last; n++ {
			list = append(list, port{n, proto})
		}
	}
	slices.SortFunc(list, func(a, b port) int {
		if a.number != b.number {
			return int(a.number) - int(b.number)
		}
		return strings.Compare(a.proto, b.proto)
	})
	var out []string
	for _, p := range slices.Compact(list) {
		out = append(out, strconv.FormatUint(p.number, 10)+"/"+p.proto)
	}
	return out, nil
}
