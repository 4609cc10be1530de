package trim

import (
	"errors"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

const gib = 1 << 30

// disk is a file system with sizeBytes, of which usedBytes are used. It records the windows that are trimmed.
type disk struct {
	sizeBytes, usedBytes uint64
	windows              []window
	slow                 time.Duration
	fails                error
}

func trimmer(d *disk) *Trimmer {
	return &Trimmer{
		next: map[string]uint64{},
		ioctl: func(_ string, w *window) error {
			if d.fails != nil {
				return d.fails
			}
			// As ext4 does.
			if w.start >= d.sizeBytes {
				return unix.EINVAL
			}
			d.windows = append(d.windows, *w)
			time.Sleep(d.slow)
			w.length = min(w.length, d.sizeBytes-w.start) / 2
			return nil
		},
		statfs: func(_ string, into *unix.Statfs_t) error {
			into.Frsize, into.Blocks = 4096, d.sizeBytes/4096
			into.Bfree = (d.sizeBytes - d.usedBytes) / 4096
			return nil
		},
	}
}

func ptr(n uint64) *uint64 { return &n }

func TestTrimCoversTheWholeFileSystemFromItsBeginningInWindowsOfWholeGroups(t *testing.T) {
	d := &disk{sizeBytes: 5 * gib / 2}
	bytes, err := trimmer(d).Trim([]Drive{{Mount: "/", From: gib / 2}}, time.Minute)
	if err != nil || bytes != gib/4+gib/2+gib/4 {
		t.Fatalf("discarded %d, error %v", bytes, err)
	}
	want := []window{{gib / 2, gib / 2, minExtentBytes}, {gib, gib, minExtentBytes}, {2 * gib, gib, minExtentBytes}}
	if !slices.Equal(d.windows, want) {
		t.Fatalf("got %v", d.windows)
	}
}

func TestADriveWithLittleUnusedSpaceIsNotTrimmed(t *testing.T) {
	for _, test := range []struct {
		name            string
		host            *uint64
		used, shared    uint64
		wantsToBeTrimed bool
	}{
		{"all of it is used", ptr(500 << 20), 500 << 20, 0, false},
		{"a little more than is used", ptr(500<<20 + WorthBytes), 500 << 20, 0, false},
		{"much was deleted", ptr(500 << 20), 100 << 20, 0, true},
		{"it uses mostly what is on another drive", ptr(500 << 20), 900 << 20, 850 << 20, true},
		{"it uses less than is on the other drive", ptr(100 << 20), 800 << 20, 850 << 20, true},
		{"its drive holds what it uses beyond the other", ptr(100 << 20), 950 << 20, 850 << 20, false},
		{"it is unknown what it takes", nil, 0, 0, true},
	} {
		d := &disk{sizeBytes: gib, usedBytes: test.used}
		if _, err := trimmer(d).Trim([]Drive{{"/", 0, test.host, test.shared}}, time.Minute); err != nil {
			t.Fatal(err)
		}
		if got := len(d.windows) > 0; got != test.wantsToBeTrimed {
			t.Errorf("%s: trimmed is %v", test.name, got)
		}
	}
}

func TestTrimStopsWhenItsTimeIsOverAndContinuesThereTheNextTime(t *testing.T) {
	d := &disk{sizeBytes: 3 * gib, slow: 20 * time.Millisecond}
	tr := trimmer(d)
	for range 3 {
		if _, err := tr.Trim([]Drive{{Mount: "/"}}, time.Millisecond); err != nil {
			t.Fatal(err)
		}
	}
	var starts []uint64
	for _, w := range d.windows {
		starts = append(starts, w.start)
	}
	if !slices.Equal(starts, []uint64{0, gib, 2 * gib}) {
		t.Fatalf("got %v", starts)
	}
	// The trim has reached the end and begins again.
	d.slow = 0
	for range 2 {
		if _, err := tr.Trim([]Drive{{Mount: "/"}}, time.Minute); err != nil {
			t.Fatal(err)
		}
	}
	if len(d.windows) != 6 {
		t.Fatalf("got %v", d.windows)
	}
}

func TestADriveWithoutDiscardsIsNotAFailureButOtherErrorsAre(t *testing.T) {
	for _, test := range []struct {
		fails error
		want  error
	}{{unix.EOPNOTSUPP, nil}, {unix.ENOTTY, nil}, {unix.EIO, unix.EIO}} {
		_, err := trimmer(&disk{sizeBytes: gib, fails: test.fails}).Trim([]Drive{{Mount: "/"}}, time.Minute)
		if !errors.Is(err, test.want) {
			t.Errorf("%v: got %v", test.fails, err)
		}
	}
}
