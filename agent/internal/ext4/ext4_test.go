package ext4

import (
	"encoding/binary"
	"strings"
	"testing"
)

func superBlock(logSize uint32, blocks uint64, is64 bool) []byte {
	super := make([]byte, superBytes)
	binary.LittleEndian.PutUint16(super[superMagic:], magic)
	binary.LittleEndian.PutUint32(super[superLogBlockSize:], logSize)
	binary.LittleEndian.PutUint32(super[superBlocksLow:], uint32(blocks))
	binary.LittleEndian.PutUint32(super[superBlocksHigh:], uint32(blocks>>32))
	if is64 {
		binary.LittleEndian.PutUint32(super[superIncompatible:], incompatible64)
	}
	return super
}

func TestParseExt4SuperReadsTheSize(t *testing.T) {
	for _, c := range []struct {
		super []byte
		want  fsSize
	}{
		{superBlock(0, 65536, false), fsSize{1024, 65536}},
		{superBlock(2, 2097152, true), fsSize{4096, 2097152}},
		{superBlock(2, 1<<33+5, true), fsSize{4096, 1<<33 + 5}},
		{superBlock(2, 1<<33+5, false), fsSize{4096, 5}},
	} {
		got, err := parseSuper(c.super)
		if err != nil || got != c.want {
			t.Errorf("got %+v, %v; want %+v", got, err, c.want)
		}
	}
}

func TestParseExt4SuperRefusesOtherContent(t *testing.T) {
	for _, super := range [][]byte{nil, make([]byte, superBytes), superBlock(2, 1, false)[:100], superBlock(60, 1, false)} {
		if got, err := parseSuper(super); err == nil {
			t.Errorf("got %+v, want an error", got)
		}
	}
}

func TestGrowToFillsTheDevice(t *testing.T) {
	size := fsSize{blockBytes: 4096, blocks: 100}
	for sectors, want := range map[uint64]uint64{800: 0, 807: 0, 808: 101, 8000: 1000} {
		if got, err := size.growTo(sectors); err != nil || got != want {
			t.Errorf("growTo(%d) = %d, %v; want %d", sectors, got, err, want)
		}
	}
}

func TestGrowToRefusesASmallerDevice(t *testing.T) {
	_, err := fsSize{blockBytes: 4096, blocks: 100}.growTo(799)
	if err == nil || !strings.Contains(err.Error(), "may grow, not shrink") {
		t.Fatalf("got %v", err)
	}
}
