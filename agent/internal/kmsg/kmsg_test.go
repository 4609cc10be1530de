package kmsg

import (
	"bytes"
	"strings"
	"testing"
)

func TestWriteMakesOneRecordPerLine(t *testing.T) {
	var out bytes.Buffer
	n, err := newWriter(&out, "agent").Write([]byte("one\n\ntwo"))
	if n != 8 || err != nil {
		t.Fatalf("Write = %d, %v", n, err)
	}
	if want := "<6>agent: one\n<6>agent: two\n"; out.String() != want {
		t.Fatalf("got %q, want %q", out.String(), want)
	}
}

func TestWriteCutsALineThatTheKernelWouldRefuse(t *testing.T) {
	var out bytes.Buffer
	_, _ = newWriter(&out, "agent").Write([]byte(strings.Repeat("x", 5000)))
	if out.Len() > 1000 {
		t.Fatalf("record of %d bytes", out.Len())
	}
}
