package process

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
)

// stat is what the agent needs of proc_pid_stat(5).
type stat struct {
	state           byte
	parent, session int
	// start is when the process started, in clock ticks since the boot: with its number, it names a process.
	start uint64
}

// isAlive is false for a zombie.
func (s stat) isAlive() bool {
	return s.state != 'Z' && s.state != 'X'
}

func readStat(pid int) (stat, bool) {
	content, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return stat{}, false
	}
	return parseStat(content)
}

// Positions of the fields behind the name.
const (
	stateAt, parentAt, sessionAt, startAt = 0, 1, 3, 19
)

// parseStat parses "pid (name) state ppid pgrp session ...". The name may contain any character, ")"
// included.
func parseStat(content []byte) (stat, bool) {
	_, rest, found := bytes.Cut(content[max(0, bytes.LastIndexByte(content, ')')):], []byte(") "))
	fields := bytes.Fields(rest)
	if !found || len(fields) <= startAt || len(fields[stateAt]) != 1 {
		return stat{}, false
	}
	parent, parentErr := strconv.Atoi(string(fields[parentAt]))
	session, sessionErr := strconv.Atoi(string(fields[sessionAt]))
	start, startErr := strconv.ParseUint(string(fields[startAt]), 10, 64)
	if parentErr != nil || sessionErr != nil || startErr != nil {
		return stat{}, false
	}
	return stat{fields[stateAt][0], parent, session, start}, true
}
