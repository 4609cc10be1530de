package overlay

import (
	"bytes"
	"encoding/json"
	"io"
	"math/rand"
	"os"
	"testing"
)

const baseBytes = 300 * chunkBytes

// drives returns a base, an overlay drive whose store has these chunks of the device, in this order, and what
// the device must have.
func drives(t testing.TB, moved []int64, tailBytes int64) (base, drive, want []byte) {
	t.Helper()
	r := rand.New(rand.NewSource(1))
	base = make([]byte, baseBytes)
	r.Read(base)
	want = append(bytes.Clone(base), make([]byte, tailBytes)...)
	drive = make([]byte, StoreBytes(baseBytes)+tailBytes)
	for at, value := range []uint32{magic, 1, version, chunkBytes / sectorBytes} {
		le.PutUint32(drive[4*at:], value)
	}
	for at, chunk := range moved {
		area, index := int64(at/exceptionsInOne), int64(at%exceptionsInOne)
		table := (1 + area*(exceptionsInOne+1)) * chunkBytes
		place := table/chunkBytes + 1 + index
		le.PutUint64(drive[table+index*exceptionBytes:], uint64(chunk))
		le.PutUint64(drive[table+index*exceptionBytes+8:], uint64(place))
		content := drive[place*chunkBytes:][:chunkBytes]
		r.Read(content)
		copy(want[chunk*chunkBytes:], content)
	}
	r.Read(drive[StoreBytes(baseBytes):])
	copy(want[baseBytes:], drive[StoreBytes(baseBytes):])
	return base, drive, want
}

func open(base, drive []byte) (*View, error) {
	return Open(bytes.NewReader(base), int64(len(base)), bytes.NewReader(drive), int64(len(drive)))
}

func TestAViewIsTheBaseWithWhatTheGuestHasWritten(t *testing.T) {
	var moved []int64
	for _, chunk := range rand.New(rand.NewSource(2)).Perm(290) {
		moved = append(moved, int64(chunk))
	}
	base, drive, want := drives(t, moved, 3*chunkBytes)
	view, err := open(base, drive)
	if err != nil {
		t.Fatal(err)
	}
	found, err := io.ReadAll(io.NewSectionReader(view, 0, view.Size()))
	if err != nil || !bytes.Equal(found, want) {
		t.Fatalf("%d bytes of %d: %v", len(found), len(want), err)
	}
	r := rand.New(rand.NewSource(3))
	for range 200 {
		part := make([]byte, r.Intn(5*chunkBytes))
		at := r.Int63n(view.Size() - int64(len(part)))
		if _, err := view.ReadAt(part, at); err != nil || !bytes.Equal(part, want[at:][:len(part)]) {
			t.Fatalf("%d bytes from %d: %v", len(part), at, err)
		}
	}
	for chunk := range int64(300) {
		isSame := bytes.Equal(want[chunk*chunkBytes:][:chunkBytes], base[chunk*chunkBytes:][:chunkBytes])
		if view.IsOfBase(chunk*chunkBytes, chunkBytes) != isSame {
			t.Fatalf("chunk %d: %v", chunk, isSame)
		}
	}
	if view.IsOfBase(baseBytes, 1) {
		t.Error("the tail is not of the base")
	}
}

func TestADriveThatNoGuestHasWrittenIsTheBase(t *testing.T) {
	base, _, _ := drives(t, nil, 0)
	view, err := open(base, make([]byte, StoreBytes(baseBytes)))
	if err != nil {
		t.Fatal(err)
	}
	found, err := io.ReadAll(io.NewSectionReader(view, 0, view.Size()))
	if err != nil || !bytes.Equal(found, base) || !view.IsOfBase(0, baseBytes) {
		t.Fatal(err)
	}
}

func TestADriveThatIsNoStoreIsRefused(t *testing.T) {
	for what, change := range map[string]func(drive []byte) []byte{
		"another magic number": func(d []byte) []byte { d[0] = 'x'; return d },
		"invalid":              func(d []byte) []byte { d[4] = 0; return d },
		"another version":      func(d []byte) []byte { d[8] = 2; return d },
		"other chunks":         func(d []byte) []byte { d[12] = 16; return d },
		"too short":            func(d []byte) []byte { return d[:chunkBytes] },
		"a chunk too far":      func(d []byte) []byte { le.PutUint64(d[chunkBytes:], 300); return d },
		"a place too far":      func(d []byte) []byte { le.PutUint64(d[chunkBytes+8:], 1<<40); return d },
	} {
		base, drive, _ := drives(t, []int64{1, 2}, 0)
		if _, err := open(base, change(drive)); err == nil {
			t.Errorf("%s: no error", what)
		}
	}
}

// The host sizes the drive by the same formula, and the guest reads it by it.
func TestTheStoreHasTheSizeThatHostAndGuestComputed(t *testing.T) {
	content, err := os.ReadFile("../../../test/fixtures/overlay-size.json")
	if err != nil {
		t.Fatal(err)
	}
	var all []map[string]any
	if err := json.Unmarshal(content, &all); err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no examples")
	}
	for _, one := range all {
		store, isValid := one["storeBytes"].(float64)
		if !isValid {
			continue
		}
		image := int64(one["imageBytes"].(float64))
		if found := StoreBytes(image); found != int64(store) {
			t.Errorf("%d: %d, want %.0f", image, found, store)
		}
	}
}

func FuzzAnyDriveIsReadOrRefused(f *testing.F) {
	base, drive, _ := drives(f, []int64{5, 7}, chunkBytes)
	f.Add(drive[:3*chunkBytes])
	f.Fuzz(func(t *testing.T, head []byte) {
		content := bytes.Clone(drive)
		copy(content, head)
		view, err := open(base, content)
		if err != nil {
			return
		}
		if _, err := io.Copy(io.Discard, io.NewSectionReader(view, 0, view.Size())); err != nil {
			t.Fatal(err)
		}
	})
}
