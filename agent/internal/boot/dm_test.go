package boot

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

func TestDmRequestIsAsLongAsItSays(t *testing.T) {
	if size := unsafe.Sizeof(dmRequest{}); size != dmBufferBytes {
		t.Fatalf("size %d, want %d", size, dmBufferBytes)
	}
	if offset := unsafe.Offsetof(dmRequest{}.payload); offset != unix.SizeofDmIoctl {
		t.Fatalf("payload at %d, want %d", offset, unix.SizeofDmIoctl)
	}
}

func TestEncodeTableIsReadableAsTheKernelReadsIt(t *testing.T) {
	targets := []target{{0, 800, "snapshot", "254:0 254:16 P 8"}, {800, 16, "linear", "254:16 9216"}}
	data, err := encodeTable(targets)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range targets {
		next := binary.NativeEndian.Uint32(data[20:])
		kind, _, _ := bytes.Cut(data[24:40], []byte{0})
		params, _, _ := bytes.Cut(data[40:next], []byte{0})
		got := target{binary.NativeEndian.Uint64(data), binary.NativeEndian.Uint64(data[8:]), string(kind), string(params)}
		if got != want || next%8 != 0 {
			t.Fatalf("target %d: got %+v with next %d, want %+v", i, got, next, want)
		}
		data = data[next:]
	}
	if len(data) != 0 {
		t.Fatalf("%d bytes too many", len(data))
	}
}

func TestEncodeTableRefusesALongKind(t *testing.T) {
	if _, err := encodeTable([]target{{0, 8, strings.Repeat("x", 16), ""}}); err == nil {
		t.Fatal("want an error")
	}
}

func TestSetTableRefusesATableThatDoesNotFit(t *testing.T) {
	long := target{0, 8, "linear", strings.Repeat("x", dmBufferBytes)}
	if err := newDmRequest("root", 0).setTable([]target{long}); err == nil {
		t.Fatal("want an error")
	}
}
