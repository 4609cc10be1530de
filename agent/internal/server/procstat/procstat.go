// Package procstat measures the guest: processors, memory, disks, network.
package procstat

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
)

// Stats is a measurement. Times count from the boot and are the sum over all processors.
type Stats struct {
	CPU    CPU    `json:"cpu"`
	Memory Memory `json:"memory"`
	Disks  []Disk `json:"disks"`
	// Network is nil in a guest without an interface.
	Network *Network `json:"network,omitempty"`
}

// CPU is how busy the processors were.
type CPU struct {
	Count   int     `json:"count"`
	BusyMs  uint64  `json:"busyMs"`
	TotalMs uint64  `json:"totalMs"`
	Load1   float64 `json:"load1"`
}

// Memory is the guest's own view.
type Memory struct {
	TotalBytes     uint64 `json:"totalBytes"`
	AvailableBytes uint64 `json:"availableBytes"`
}

// Disk is a mounted file system. UsedBytes does not include the space that is reserved for root.
type Disk struct {
	Mount      string `json:"mount"`
	TotalBytes uint64 `json:"totalBytes"`
	UsedBytes  uint64 `json:"usedBytes"`
}

// Network is the traffic of the interfaces with a device behind them, since they were created.
type Network struct {
	ReceivedBytes uint64 `json:"receivedBytes"`
	SentBytes     uint64 `json:"sentBytes"`
}

// msPerTick: the kernel counts time in /proc in units of 1/100 s for every program (USER_HZ).
const msPerTick = 10

// Measure measures everything; mounts are the disks to measure. It leaves out a path that is not a mount
// point.
func Measure(mounts []string) (Stats, error) {
	stat, err1 := os.ReadFile("/proc/stat")
	load, err2 := os.ReadFile("/proc/loadavg")
	meminfo, err3 := os.ReadFile("/proc/meminfo")
	if err := errors.Join(err1, err2, err3); err != nil {
		return Stats{}, err
	}
	cpu, err1 := parseCPU(stat, load)
	memory, err2 := parseMemory(meminfo)
	if err := errors.Join(err1, err2); err != nil {
		return Stats{}, err
	}
	disks, err1 := measureDisks(mounts)
	network, err2 := measureNetwork("/sys/class/net")
	return Stats{CPU: cpu, Memory: memory, Disks: disks, Network: network}, errors.Join(err1, err2)
}

// measureNetwork sums up the interfaces in a folder such as /sys/class/net. It counts only those with a
// device: traffic that leaves the guest through a bridge or a tunnel passes through one of them, too.
func measureNetwork(sysfs string) (*Network, error) {
	devices, err := filepath.Glob(filepath.Join(sysfs, "*/device"))
	if err != nil || len(devices) == 0 {
		return nil, err
	}
	var sum Network
	for _, device := range devices {
		counters := filepath.Join(filepath.Dir(device), "statistics")
		received, err1 := readCounter(filepath.Join(counters, "rx_bytes"))
		sent, err2 := readCounter(filepath.Join(counters, "tx_bytes"))
		if err := errors.Join(err1, err2); err != nil {
			return nil, err
		}
		sum.ReceivedBytes += received
		sum.SentBytes += sent
	}
	return &sum, nil
}

func readCounter(path string) (uint64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return 0, err
	}
	value, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 64)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	return value, nil
}

// parseCPU parses the first line of proc_stat(5), "cpu user nice system idle iowait irq softirq steal guest
// guest_nice", where user and nice already include the guest times, and counts the lines of single
// processors.
func parseCPU(stat, load []byte) (CPU, error) {
	var cpu CPU
	for line := range bytes.Lines(stat) {
		fields := bytes.Fields(line)
		if len(fields) < 5 || !bytes.HasPrefix(fields[0], []byte("cpu")) {
			continue
		}
		if len(fields[0]) > 3 {
			cpu.Count++
			continue
		}
		for i, field := range fields[1:min(len(fields), 9)] {
			ticks, err := strconv.ParseUint(string(field), 10, 64)
			if err != nil {
				return CPU{}, fmt.Errorf("/proc/stat: %w", err)
			}
			cpu.TotalMs += ticks * msPerTick
			if i != 3 && i != 4 {
				cpu.BusyMs += ticks * msPerTick
			}
		}
	}
	first, _, _ := bytes.Cut(load, []byte(" "))
	var err error
	if cpu.Load1, err = strconv.ParseFloat(string(first), 64); err != nil {
		return CPU{}, fmt.Errorf("/proc/loadavg: %w", err)
	}
	return cpu, nil
}

func parseMemory(meminfo []byte) (Memory, error) {
	var memory Memory
	for line := range bytes.Lines(meminfo) {
		fields := bytes.Fields(line)
		if len(fields) < 2 {
			continue
		}
		var into *uint64
		switch string(fields[0]) {
		case "MemTotal:":
			into = &memory.TotalBytes
		case "MemAvailable:":
			into = &memory.AvailableBytes
		default:
			continue
		}
		kib, err := strconv.ParseUint(string(fields[1]), 10, 64)
		if err != nil {
			return Memory{}, fmt.Errorf("/proc/meminfo: %w", err)
		}
		*into = kib << 10
	}
	return memory, nil
}

func measureDisks(mounts []string) ([]Disk, error) {
	disks := make([]Disk, 0, len(mounts))
	seen := make(map[unix.Fsid]bool)
	for _, mount := range mounts {
		var fs unix.Statfs_t
		if err := unix.Statfs(mount, &fs); err != nil {
			if errors.Is(err, unix.ENOENT) || errors.Is(err, unix.EACCES) {
				continue
			}
			return nil, fmt.Errorf("statfs %s: %w", mount, err)
		}
		if seen[fs.Fsid] {
			continue
		}
		seen[fs.Fsid] = true
		block := uint64(fs.Frsize)
		disks = append(disks, Disk{Mount: mount, TotalBytes: fs.Blocks * block, UsedBytes: (fs.Blocks - fs.Bfree) * block})
	}
	return disks, nil
}
