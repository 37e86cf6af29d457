package dockerarchive_test

import (
	"testing"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

func TestMain(m *testing.M) { imagetest.Main(m) }
