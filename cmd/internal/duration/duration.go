// Package duration reads a length of time as an operator types it, in a flag or in a
// declaration.
package duration

import (
	"fmt"
	"math"
	"strconv"
	"time"
)

const mostSeconds = math.MaxInt64 / int64(time.Second)

// ErrSyntax is the error of everything else.
var ErrSyntax = fmt.Errorf("want a number of seconds from 0 to %d, or a time such as 500ms, 5s or 1m30s", mostSeconds)

// Parse reads a number of seconds, or what time.ParseDuration does; not below 0.
func Parse(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil && n <= uint64(mostSeconds) {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, ErrSyntax
	}
	return d, nil
}
