package procstat

import (
	"errors"
	"os"
	"path/filepath"
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

func TestParsersRefuseMalformedNumbers(t *testing.T) {
	if _, err := parseCPU([]byte("cpu a b c d\n"), []byte("0.1 ")); err == nil {
		t.Error("bad /proc/stat was accepted")
	}
	if _, err := parseCPU(nil, []byte("busy")); err == nil {
		t.Error("bad /proc/loadavg was accepted")
	}
	if _, err := parseMemory([]byte("MemTotal: lots kB\n")); err == nil {
		t.Error("bad /proc/meminfo was accepted")
	}
}

func TestParseMemoryReadsKibibytes(t *testing.T) {
	got, err := parseMemory([]byte("MemTotal:   2048 kB\nMemFree: 1 kB\nMemAvailable:   1024 kB\n\n"))
	want := Memory{TotalBytes: 2 << 20, AvailableBytes: 1 << 20}
	if err != nil || got != want {
		t.Fatalf("got %+v, error %v", got, err)
	}
}

func TestMeasureNetworkSumsUpInterfacesThatHaveADevice(t *testing.T) {
	sysfs := t.TempDir()
	if got, err := measureNetwork(sysfs); got != nil || err != nil {
		t.Fatalf("got %+v, error %v of a guest without an interface", got, err)
	}
	counter := func(name, content string) {
		path := filepath.Join(sysfs, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte(content), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	for name, bytes := range map[string]string{"lo": "1000000\n", "eth0": "100\n", "eth1": "7\n"} {
		counter(name+"/statistics/rx_bytes", bytes)
		counter(name+"/statistics/tx_bytes", "20\n")
	}
	counter("eth0/device", "")
	counter("eth1/device", "")
	got, err := measureNetwork(sysfs)
	if err != nil || *got != (Network{ReceivedBytes: 107, SentBytes: 40}) {
		t.Fatalf("got %+v, error %v", got, err)
	}
	counter("eth1/statistics/tx_bytes", "many")
	if _, err := measureNetwork(sysfs); err == nil {
		t.Error("a malformed counter was accepted")
	}
}

func TestMeasureListsADiskOnceAndLeavesOutMissingPaths(t *testing.T) {
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
