// Package docs holds the pages of the documentation, so that the conformance
// suite can run the commands that they show.
package docs

import "embed"

// Pages are the pages.
//
//go:embed *.md
var Pages embed.FS
