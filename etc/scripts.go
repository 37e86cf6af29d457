// Package etc holds the rc.d scripts, so that the conformance suite can boot a host
// with them.
package etc

import "embed"

// Scripts are the scripts, with @PREFIX@ where make install puts the prefix.
//
//go:embed rc.d
var Scripts embed.FS
