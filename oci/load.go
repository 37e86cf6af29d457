package oci

// Reading a configuration: bytes in, typed data out, nothing judged yet.

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/netbsd-cells/runcell/oci/strictjson"
	specs "github.com/opencontainers/runtime-spec/specs-go"
)

// MaxConfigSize is the largest configuration that Load reads, in bytes. The
// largest real ones (podman's, with its system call list) have 15 KiB.
const MaxConfigSize = 16 << 20

// maxUnknown is how many fields of others a configuration may have: each is told.
const maxUnknown = 1000

// Config is a config.json: the fields of runtime-spec 1.3 and the netbsd
// section, which the specification's own type lacks.
type Config struct {
	specs.Spec
	NetBSD *NetBSD `json:"netbsd,omitempty"`
	// Unknown lists fields that neither has. They are ignored, as
	// the specification wants (config.md, "Extensibility"), with a warning; one
	// that looks like a known one is an error, and so is any in the netbsd section.
	Unknown []strictjson.Unknown `json:"-"`
}

// NetBSD is the netbsd section, an extension in the manner of freebsd's.
type NetBSD struct {
	Cell    *NetBSDCell    `json:"cell,omitempty"`
	Devices []NetBSDDevice `json:"devices,omitempty"`
}

// NetBSDCell says what the kernel is told. Every field can also be given as
// the annotation org.netbsd.cell.*, by tools that can't write the section.
type NetBSDCell struct {
	// Profile is "low", "medium" or "high"; high when empty.
	Profile string `json:"profile,omitempty"`
	// Permissions opens permissions by name; a leading "-" closes one.
	Permissions []string `json:"permissions,omitempty"`
	// ReservedPorts are "8080", "8080/udp", "192.0.2.1:80/tcp", "[2001:db8::1]:80".
	ReservedPorts []string `json:"reservedPorts,omitempty"`
	// Addresses are configured for the cell, which binds to nothing else.
	Addresses []NetBSDAddress `json:"addresses,omitempty"`
	// Network is "host", "addresses" or "none".
	Network string `json:"network,omitempty"`
	// MaxProcesses limits the cell's processes; nil is no limit.
	MaxProcesses *uint64 `json:"maxProcesses,omitempty"`
}

// NetBSDAddress is an address on an interface: {"wm0", "192.0.2.10/24"}.
type NetBSDAddress struct {
	Interface string `json:"interface"`
	Address   string `json:"address"`
}

// NetBSDDevice is a device node of the host, to appear under the same path.
type NetBSDDevice struct {
	// Path is absolute, or relative to /dev.
	Path string `json:"path"`
	// Type is "c" (the default) or "b".
	Type string  `json:"type,omitempty"`
	Mode *uint32 `json:"mode,omitempty"` // nil: the host node's
	UID  *uint32 `json:"uid,omitempty"`
	GID  *uint32 `json:"gid,omitempty"`
}

// LoadFile reads the configuration at path. Errors wrap the system's, so a
// missing file is fs.ErrNotExist. A FIFO is not waited for, but refused.
func LoadFile(path string) (*Config, error) {
	fi, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	if !fi.Mode().IsRegular() {
		return nil, fmt.Errorf("load %s: it is no regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("load configuration: %w", err)
	}
	defer f.Close()
	cfg, err := Load(f)
	if err != nil {
		return nil, fmt.Errorf("load %s: %w", path, err)
	}
	return cfg, nil
}

// Load reads a configuration of at most MaxConfigSize bytes. It refuses what
// is not JSON, wrong types, duplicate keys and trailing data, naming the field
// and the line; it does not judge values: Compile does.
func Load(r io.Reader) (*Config, error) {
	data, err := readLimited(r)
	if err != nil {
		return nil, err
	}
	if bytes.HasPrefix(data, []byte("\xef\xbb\xbf")) {
		return nil, errors.New("it begins with a byte order mark: save it as UTF-8 without one")
	}
	cfg := new(Config)
	if cfg.Unknown, err = strictjson.Unmarshal(data, cfg); err != nil {
		return nil, err
	}
	if n := len(cfg.Unknown); n > maxUnknown {
		return nil, fmt.Errorf("%d fields are unknown, the first is %s: it is no configuration of a container (at most %d can be of others)", n, cfg.Unknown[0].Field, maxUnknown)
	}
	return cfg, nil
}

// LoadProcess reads the process object of `exec --process`. Unknown fields
// are ignored, but for those that look like one that is known.
func LoadProcess(r io.Reader) (*specs.Process, error) {
	data, err := readLimited(r)
	if err != nil {
		return nil, err
	}
	p := new(specs.Process)
	unknown, err := strictjson.Unmarshal(data, p)
	if err != nil {
		return nil, fmt.Errorf("load process: %w", err)
	}
	if err := misspeltError(unknown); err != nil {
		return nil, fmt.Errorf("load process: %w", err)
	}
	return p, nil
}

func readLimited(r io.Reader) ([]byte, error) {
	// A configuration fits; the buffer spares growing in small steps.
	size := 16 << 10
	if f, ok := r.(*os.File); ok {
		if st, err := f.Stat(); err == nil {
			if st.Size() > MaxConfigSize {
				return nil, errTooLarge
			}
			size = int(st.Size()) + 1
		}
	}
	buf := make([]byte, 0, size)
	for {
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if len(buf) > MaxConfigSize {
			return nil, errTooLarge
		}
		if errors.Is(err, io.EOF) {
			return buf, nil
		}
		if err != nil {
			return nil, fmt.Errorf("read configuration: %w", err)
		}
		if len(buf) == cap(buf) {
			buf = append(buf, 0)[:len(buf)]
		}
	}
}

var errTooLarge = fmt.Errorf("larger than %d MiB: not a configuration", MaxConfigSize>>20)
