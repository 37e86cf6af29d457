package layer

import (
	"archive/tar"
	"strings"
	"testing"

	"github.com/netbsd-cells/runcell/image/internal/imagetest"
)

// What was read is what was announced, or there is no archive.
func TestShrunkWhileRead(t *testing.T) {
	p := &packer{ctx: t.Context()}
	hdr := imagetest.Entry{Name: "f", Body: "12345"}.Header()
	var b strings.Builder
	p.tw, p.buf = tar.NewWriter(&b), make([]byte, 10)
	if err := p.write(hdr, strings.NewReader("123")); err == nil || !strings.Contains(err.Error(), "it shrank from 5 to 3") {
		t.Errorf("error is %v; want it shrank", err)
	}
}
