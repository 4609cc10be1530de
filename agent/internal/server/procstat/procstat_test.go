package procstat

import (
	"testing"
)

func TestParseCPUCountsBusyTicksAndProcessors(t *testing.T) {
	stat := "cpu  10 20 30 400 50 6 7 8 9 10\ncpu0 1 1 1 1\ncpu1 1 1 1 1\nintr 5 4 3 2 1\n"
	got, err := parseCPU([]byte(stat), []byte("0.25 0.10 0.05 1/100 4711\n"))
	want := CPU{Count: 2, BusyMs: 810, TotalMs: 5310, Load1: 0.25}
	if err != nil || got != want {
		t.Fatalf("got %+v, error %v, want %+v", got, err, want)
	}
}

func TestParsersRefuseNumbersThatAreNone(t *testing.T) {
	if _, err := parseCPU([]byte("cpu a b c d\n"), []byte("0.1 ")); err == nil {
		t.Error("bad /proc/stat was taken")
	}
	if _, err := parseCPU(nil, []byte("busy")); err == nil {
		t.Error("bad /proc/loadavg was taken")
	}
	if _, err := parseMemory([]byte("MemTotal: lots kB\n")); err == nil {
		t.Error("bad /proc/meminfo was taken")
	}
}

func TestParseMemoryReadsKibibytes(t *testing.T) {
	got, err := parseMemory([]byte("MemTotal:   2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n\n"))
	want := Memory{TotalBytes: 2 << 20, AvailableBytes: 1 << 20}
	if err != nil || got != want {
		t.Fatalf("got %+v, error %v", got, err)
	}
}

func TestMeasureTellsADiskOnceAndLeavesOutWhatIsNotThere(t *testing.T) {
	stats, err := Measure([]string{"/", "/", t.TempDir() + "/missing"})
	if err != nil {
		t.Fatal(err)
	}
	if len(stats.Disks) != 1 || stats.Disks[0].Mount != "/" || stats.Disks[0].TotalBytes < stats.Disks[0].UsedBytes {
		t.Errorf("got disks %+v", stats.Disks)
	}
	if stats.CPU.Count < 1 || stats.CPU.BusyMs > stats.CPU.TotalMs || stats.Memory.AvailableBytes > stats.Memory.TotalBytes {
		t.Errorf("got %+v", stats)
	}
}
