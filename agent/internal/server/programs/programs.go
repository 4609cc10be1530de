// Package programs counts the programs in the guest that would lose something if the guest ended without
// notice.
package programs

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// kernelThread is PF_KTHREAD of the flags in proc_pid_stat(5) (include/linux/sched.h).
const kernelThread = 0x00200000

// idleServices are services of the system that hold no data in memory while no program uses them: a process
// of theirs that process 1 started only listens. When a program uses one, there is a child process, or a unit
// of its own (a session, a container).
var idleServices = map[string]bool{
	"containerd.service": true,
	"cron.service":       true,
	"dbus.service":       true,
	"docker.service":     true,
	"ssh.service":        true,
}

// Count returns how many programs of users, of their commands and of their services run. It does not count
// threads of the kernel, the system's own programs, `self` and process 1. proc is where proc(5) is mounted.
func Count(proc string, self int) (int, error) {
	entries, err := os.ReadDir(proc)
	if err != nil {
		return 0, err
	}
	count := 0
	for _, entry := range entries {
		pid, err := strconv.Atoi(entry.Name())
		if err != nil || pid == 1 || pid == self {
			continue
		}
		isOne, err := isProgram(filepath.Join(proc, entry.Name()))
		// The process ended while its files were read.
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue
		}
		if err != nil {
			return 0, err
		}
		if isOne {
			count++
		}
	}
	return count, nil
}

func isProgram(dir string) (bool, error) {
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return false, err
	}
	state, parent, flags, err := parseStat(stat)
	if err != nil {
		return false, fmt.Errorf("%s/stat: %w", dir, err)
	}
	if state == 'Z' || state == 'X' || flags&kernelThread != 0 {
		return false, nil
	}
	groups, err := os.ReadFile(filepath.Join(dir, "cgroup"))
	if err != nil {
		return false, err
	}
	return !isOfSystem(unitOf(string(groups)), parent), nil
}

// parseStat returns fields 3, 4 and 9. Field 2 is the program's name, which may contain spaces and
// parentheses.
func parseStat(stat []byte) (state byte, parent int, flags uint64, err error) {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 7 {
		return 0, 0, 0, errors.New("too few fields")
	}
	parent, err1 := strconv.Atoi(string(fields[1]))
	flags, err2 := strconv.ParseUint(string(fields[6]), 10, 64)
	return fields[0][0], parent, flags, errors.Join(err1, err2)
}

// unitOf returns the systemd unit of a process from its line of cgroups(7) version 2,
// "0::/system.slice/ssh.service", or "" when it has none. A service may divide its group further
// ("systemd-udevd.service/udev").
func unitOf(groups string) string {
	for line := range strings.Lines(groups) {
		group, isUnified := strings.CutPrefix(strings.TrimSpace(line), "0::")
		if !isUnified {
			continue
		}
		parts := strings.Split(group, "/")
		for _, part := range slices.Backward(parts) {
			if strings.HasSuffix(part, ".service") || strings.HasSuffix(part, ".scope") {
				return part
			}
		}
	}
	return ""
}

func isOfSystem(unit string, parent int) bool {
	return unit == "init.scope" ||
		strings.HasPrefix(unit, "systemd-") && strings.HasSuffix(unit, ".service") ||
		// A login prompt that waits for a user. After the login, the session has a scope of its own.
		strings.HasPrefix(unit, "getty@") || strings.HasPrefix(unit, "serial-getty@") ||
		parent == 1 && idleServices[unit]
}
