// What is known to differ, and why. Version numbers are Debian 12's.

package runtime

import "github.com/netbsd-cells/runcell/conformance/harness"

var differences = harness.Expected{}
