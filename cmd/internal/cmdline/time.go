package cmdline

// Flags whose value is a length of time.

import (
	"fmt"
	"math"
	"strconv"
	"time"

	"github.com/urfave/cli/v3"
)

// TimeFlag is a flag for a length of time, given as time.ParseDuration has it, or as
// a number of seconds. cli.Command.Duration gives its value.
type TimeFlag = cli.FlagBase[time.Duration, cli.NoConfig, aTime]

type aTime time.Duration

const mostSeconds = math.MaxInt64 / int64(time.Second)

var errNoTime = fmt.Errorf("want a number of seconds from 0 to %d, or a time such as 500ms, 5s or 1m30s", mostSeconds)

// parseTime reads a length of time that is not negative.
func parseTime(s string) (time.Duration, error) {
	if n, err := strconv.ParseUint(s, 10, 63); err == nil && n <= uint64(mostSeconds) {
		return time.Duration(n) * time.Second, nil
	}
	d, err := time.ParseDuration(s)
	if err != nil || d < 0 {
		return 0, errNoTime
	}
	return d, nil
}

// Create makes the value of one flag.
func (aTime) Create(val time.Duration, p *time.Duration, _ cli.NoConfig) cli.Value {
	*p = val
	return (*aTime)(p)
}

// ToString is how help shows a default.
func (aTime) ToString(val time.Duration) string { return val.String() }

// Set reads what was typed.
func (t *aTime) Set(s string) error {
	d, err := parseTime(s)
	if err == nil {
		*t = aTime(d)
	}
	return err
}

// Get gives the time.Duration.
func (t *aTime) Get() any { return time.Duration(*t) }

func (t *aTime) String() string { return time.Duration(*t).String() }
