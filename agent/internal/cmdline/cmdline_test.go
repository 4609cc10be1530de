package cmdline

import (
	"slices"
	"testing"
)

func TestParseReadsOurParametersAmongOthers(t *testing.T) {
	line := "console=ttyS0 quiet banger.overlay_free=2147483648 rw banger.debug root=\"a b\"\n"
	got, err := Parse(line)
	if err != nil {
		t.Fatal(err)
	}
	want := Options{Mode: ModeBoot, OverlayFreeBytes: 2147483648, Debug: true}
	if got != want {
		t.Fatalf("got %+v, want %+v", got, want)
	}
}

func TestParseTable(t *testing.T) {
	for _, c := range []struct {
		line string
		want Options
	}{
		{"", Options{Mode: ModeBoot}},
		{"banger.mode=probe", Options{Mode: ModeProbe}},
		{"banger.mode=probe banger.mode=boot", Options{Mode: ModeBoot}},
		{"banger.debug=0", Options{Mode: ModeBoot}},
		{"banger.debug=1", Options{Mode: ModeBoot, Debug: true}},
		{"\"banger.overlay_free=8\"", Options{Mode: ModeBoot, OverlayFreeBytes: 8}},
		{"banger.timer_hz=62500000", Options{Mode: ModeBoot, TimerHz: 62_500_000}},
		{"banger.drives=root,overlay", Options{Mode: ModeBoot, Drives: "root,overlay"}},
		{"banger.agent=vsock banger.end=restart", Options{Mode: ModeBoot, HasVsock: true, EndsByRestart: true}},
		{"banger.agent=virtio banger.end=off", Options{Mode: ModeBoot}},
		{"-- banger.mode=nonsense", Options{Mode: ModeBoot}},
		{"other.mode=x xbanger.mode=probe", Options{Mode: ModeBoot}},
	} {
		got, err := Parse(c.line)
		if err != nil || got != c.want {
			t.Errorf("Parse(%q) = %+v, %v; want %+v", c.line, got, err, c.want)
		}
	}
}

func TestParseRefusesUnknownParametersAndValues(t *testing.T) {
	for _, line := range []string{
		"banger.timer_hz", "banger.timer_hz=1GHz", "banger.mode=", "banger.mode=rescue", "banger.overlay_free", "banger.overlay_free=-1",
		"banger.drives", "banger.drives=root,", "banger.drives=root,root", "banger.agent", "banger.agent=serial", "banger.end=halt",
	} {
		if got, err := Parse(line); err == nil {
			t.Errorf("Parse(%q) = %+v, want an error", line, got)
		}
	}
}

func TestDriveOrderIsThatOfTheParameter(t *testing.T) {
	if got := (Options{Drives: "root,overlay,work"}).DriveOrder(); !slices.Equal(got, []string{"root", "overlay", "work"}) {
		t.Errorf("got %q", got)
	}
	if got := (Options{}).DriveOrder(); len(got) != 0 {
		t.Errorf("without the parameter: got %q", got)
	}
}

func TestSplitKeepsQuotedSpaces(t *testing.T) {
	got := split(" a  b=\"c d\"e\t\"\" f\n")
	want := []string{"a", "b=c de", "", "f"}
	if !slices.Equal(got, want) {
		t.Fatalf("got %q, want %q", got, want)
	}
}

func FuzzParse(f *testing.F) {
	f.Add("console=ttyS0 banger.mode=probe")
	f.Add("a=\"b c")
	f.Fuzz(func(t *testing.T, line string) {
		options, err := Parse(line)
		if err == nil && options.Mode != ModeBoot && options.Mode != ModeProbe {
			t.Fatalf("mode %q", options.Mode)
		}
	})
}
