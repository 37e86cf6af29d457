// Package fact holds what the probe prints: one JSON object a line, shared by
// the probe inside a container and the suite outside.
package fact

// Line is the outcome of one operation of the probe.
type Line struct {
	Op    string   `json:"op"`
	Args  []string `json:"args,omitempty"`
	OK    bool     `json:"ok"`
	Errno string   `json:"errno,omitempty"` // symbolic, "EROFS"
	Error string   `json:"error,omitempty"`
	Text  string   `json:"text,omitempty"`
	Names []string `json:"names,omitempty"`
	Stat  *Stat    `json:"stat,omitempty"`
	Facts *Facts   `json:"facts,omitempty"`
	// Terminal is what it is when SIGWINCH arrives.
	Terminal *Terminal `json:"terminal,omitempty"`
}

// Stat describes a file.
type Stat struct {
	Type string `json:"type"` // "file", "dir", "symlink", "char", "block", "fifo", "socket"
	Perm uint32 `json:"perm"` // with setuid, setgid and sticky bits
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Size int64  `json:"size"`
	Dev  uint64 `json:"dev"`
	Ino  uint64 `json:"ino"`
	Rdev uint64 `json:"rdev"`
}

// Facts is what a process can say about itself.
type Facts struct {
	Args     []string          `json:"args"`
	Env      []string          `json:"env"`
	Cwd      string            `json:"cwd"`
	UID      int               `json:"uid"`
	GID      int               `json:"gid"`
	EUID     int               `json:"euid"`
	EGID     int               `json:"egid"`
	Groups   []int             `json:"groups"`
	Umask    int               `json:"umask"`
	Pid      int               `json:"pid"`
	Ppid     int               `json:"ppid"`
	Sid      int               `json:"sid"`
	Hostname string            `json:"hostname"`
	FDs      []FD              `json:"fds"`
	Terminal Terminal          `json:"terminal"`
	Rlimits  map[string]Rlimit `json:"rlimits"`
	// Ignored names those of SIGHUP and SIGINT that were ignored at exec:
	// a Go program can't see others, its runtime has replaced them.
	Ignored []string `json:"ignored,omitempty"`

	Mounts []Mount `json:"mounts,omitempty"`

	// Linux only.
	Namespaces  map[string]string `json:"namespaces,omitempty"`
	Blocked     string            `json:"blocked,omitempty"` // signal mask, hexadecimal
	CapBounding string            `json:"capBounding,omitempty"`
	CapEff      string            `json:"capEffective,omitempty"`
	NoNewPrivs  bool              `json:"noNewPrivs,omitempty"`
	OOMScoreAdj *int              `json:"oomScoreAdj,omitempty"`
}

// FD is an open file descriptor at the start of the program.
type FD struct {
	Number int    `json:"number"`
	Target string `json:"target,omitempty"` // where /proc can tell
}

// Terminal describes the descriptors 0, 1 and 2.
type Terminal struct {
	Stdin       bool `json:"stdin"`
	Stdout      bool `json:"stdout"`
	Stderr      bool `json:"stderr"`
	Rows        int  `json:"rows,omitempty"`
	Columns     int  `json:"columns,omitempty"`
	Controlling bool `json:"controlling"` // /dev/tty opens
}

// Rlimit is a resource limit; the largest uint64 is no limit.
type Rlimit struct {
	Soft uint64 `json:"soft"`
	Hard uint64 `json:"hard"`
}

// Mount is a mounted filesystem as the process sees it.
type Mount struct {
	Destination string `json:"destination"`
	Type        string `json:"type"`
	Source      string `json:"source"`
	Options     string `json:"options"`
}
