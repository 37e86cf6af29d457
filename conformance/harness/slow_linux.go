package harness

// How busy the machine is: /proc/loadavg.

import (
	"fmt"
	"os"
)

// load is how many processes want to run: the average of a minute or, where
// they have just begun, their number now (/proc/loadavg in proc(5)).
func load() float64 {
	var minute, five, quarter, now float64
	b, _ := os.ReadFile("/proc/loadavg")
	_, _ = fmt.Sscanf(string(b), "%f %f %f %f/", &minute, &five, &quarter, &now)
	return max(minute, now)
}
