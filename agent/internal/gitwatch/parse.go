package gitwatch

import (
	"bytes"
	"encoding/binary"
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	eventBytes = int(unsafe.Sizeof(unix.FanotifyEventMetadata{}))
	// infoBytes is what precedes a handle: type, padding, length, file system.
	infoBytes = 4 + 8
	// handleBytes is the header of a handle: its size and kind.
	handleBytes = 8
)

var native = binary.NativeEndian

// parse adds what events say (fanotify(7)). It returns false when they do not say all that has changed.
func (c changes) parse(events []byte) bool {
	isWhole := true
	for len(events) > 0 {
		if len(events) < eventBytes {
			return false
		}
		length, version := uint64(native.Uint32(events)), events[4]
		header, mask := uint64(native.Uint16(events[6:])), native.Uint64(events[8:])
		if version != unix.FANOTIFY_METADATA_VERSION || header < uint64(eventBytes) || length < header || length > uint64(len(events)) {
			return false
		}
		isWhole = mask&unix.FAN_Q_OVERFLOW == 0 && c.parseEvent(mask, events[header:length]) && isWhole
		events = events[length:]
	}
	return isWhole
}

// parseEvent adds the place that the records of an event name.
func (c changes) parseEvent(mask uint64, records []byte) bool {
	var at place
	var target handle
	isNamed, hasTarget := false, false
	for len(records) > 0 {
		if len(records) < infoBytes+handleBytes {
			return false
		}
		kind, length := records[0], int(native.Uint16(records[2:]))
		if length < infoBytes+handleBytes || length > len(records) {
			return false
		}
		record := records[infoBytes:length]
		records = records[length:]
		size := uint64(native.Uint32(record))
		if size > uint64(len(record)-handleBytes) {
			return false
		}
		of := handle{int32(native.Uint32(record[4:])), string(record[handleBytes : handleBytes+size])}
		switch kind {
		case unix.FAN_EVENT_INFO_TYPE_DFID_NAME:
			name, _, isEnded := bytes.Cut(record[handleBytes+size:], []byte{0})
			if !isEnded {
				return false
			}
			at, isNamed = place{of, string(name)}, true
		case unix.FAN_EVENT_INFO_TYPE_FID:
			target, hasTarget = of, true
		}
	}
	if !isNamed {
		// The number of names of a file has changed. Each name that it gets or loses has an event of its own.
		return hasTarget && mask&^unix.FAN_ATTRIB == 0
	}
	// What changes about a folder itself, such as its permissions, does not change what git sees in it.
	if at.name == "." {
		return true
	}
	isFolder := mask&unix.FAN_ONDIR != 0
	if isFolder && hasTarget && mask&(unix.FAN_CREATE|unix.FAN_DELETE) != 0 {
		c.folders[target] = at
	}
	c.places[at] = c.places[at] || isFolder && mask&(unix.FAN_MOVED_FROM|unix.FAN_MOVED_TO) != 0
	return true
}
