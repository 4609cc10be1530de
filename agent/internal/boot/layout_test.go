package boot

import (
	"encoding/json"
	"math/rand/v2"
	"os"
	"slices"
	"testing"
)

type layoutVector struct {
	ImageBytes, FreeBytes   uint64
	StoreBytes, TailBytes   uint64
	OverlayBytes, RootBytes uint64
	IsRefused               bool
}

func readVectors(t *testing.T) []layoutVector {
	t.Helper()
	text, err := os.ReadFile("../../../test/fixtures/overlay-size.json")
	if err != nil {
		t.Fatal(err)
	}
	var vectors []layoutVector
	if err := json.Unmarshal(text, &vectors); err != nil {
		t.Fatal(err)
	}
	return vectors
}

func TestPlanLayoutAgreesWithTheHost(t *testing.T) {
	for _, v := range readVectors(t) {
		l, err := planLayout(v.ImageBytes/sectorBytes, v.FreeBytes)
		if v.IsRefused {
			if err == nil {
				t.Errorf("%+v was not refused", v)
			}
			continue
		}
		if err != nil {
			t.Errorf("%+v: %v", v, err)
			continue
		}
		got := layoutVector{v.ImageBytes, v.FreeBytes, l.store * sectorBytes, l.tail * sectorBytes,
			l.overlaySectors() * sectorBytes, l.rootSectors() * sectorBytes, false}
		if got != v {
			t.Errorf("got %+v, want %+v", got, v)
		}
	}
}

// fillStore allocates as drivers/md/dm-snap-persistent.c does and returns the number of chunks that it
// touched.
func fillStore(chunks uint64) uint64 {
	const perArea = chunkSectors * sectorBytes / 16
	nextFree, committed, area, touched := uint64(2), uint64(0), uint64(0), uint64(2)
	for range chunks {
		touched = max(touched, nextFree+1)
		nextFree++
		// skip_metadata()
		if (nextFree-1)%(perArea+1) == 0 {
			nextFree++
		}
		committed++
		if committed == perArea {
			committed = 0
			area++
			// zero_disk_area() of the next area, at area_location()
			touched = max(touched, 1+area*(perArea+1)+1)
		}
	}
	return touched
}

func TestStoreHoldsEveryChunkOfTheImage(t *testing.T) {
	sizes := []uint64{1, 2, 255, 256, 257, 511, 512, 513, 65536, 1 << 21}
	for range 20 {
		sizes = append(sizes, 1+rand.Uint64N(1<<20))
	}
	for _, chunks := range sizes {
		l, err := planLayout(chunks*chunkSectors, 0)
		if err != nil {
			t.Fatal(err)
		}
		needed := fillStore(chunks)
		if formula := 1 + chunks + chunks/256 + 1; needed > formula {
			t.Errorf("%d chunks touch %d chunks of the store, the formula says %d", chunks, needed, formula)
		}
		if l.store < needed*chunkSectors {
			t.Errorf("%d chunks: store has %d sectors and needs %d", chunks, l.store, needed*chunkSectors)
		}
	}
}

func TestTableOfImageAndTail(t *testing.T) {
	l, err := planLayout(16777216, 2<<30)
	if err != nil {
		t.Fatal(err)
	}
	want := []target{{0, 16777216, "linear", "253:0 0"}, {16777216, 4194304, "linear", "254:16 16916480"}}
	if got := l.rootTable("253:0", "254:16"); !slices.Equal(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
	for hasDiscards, params := range map[bool]string{
		false: "254:0 254:16 P 8", true: "254:0 254:16 P 8 1 discard_zeroes_cow",
	} {
		want := []target{{0, 16777216, "snapshot", params}}
		if got := l.imageTable("254:0", "254:16", hasDiscards); !slices.Equal(got, want) {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	}
}

func TestTableWithoutFreeSpaceHasOnlyTheSnapshot(t *testing.T) {
	l, err := planLayout(8, 0)
	if err != nil {
		t.Fatal(err)
	}
	want := []target{{0, 8, "linear", "253:0 0"}}
	if got := l.rootTable("253:0", "254:16"); !slices.Equal(got, want) {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}
