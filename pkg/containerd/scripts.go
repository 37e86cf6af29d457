package netbsd

// The rc.d scripts, for the suites that run a host with them.

import "embed"

// Scripts are the scripts, with @PREFIX@ where the programs are installed.
//
//go:embed rc.d
var Scripts embed.FS
