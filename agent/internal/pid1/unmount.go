package pid1

import (
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// unmountAll leaves clean file systems behind: it unmounts all that it can, and makes the root read-only,
// which writes everything to the disk.
func unmountAll() {
	table, err := os.ReadFile("/proc/self/mountinfo")
	if err == nil {
		for _, point := range diskMounts(string(table)) {
			if unix.Unmount(point, 0) != nil {
				_ = unix.Mount("", point, "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
			}
		}
	}
	_ = unix.Mount("", "/", "", unix.MS_REMOUNT|unix.MS_RDONLY, "")
}

// diskMounts returns the mount points of file systems on block devices, except the root, latest first. The
// table has the form of proc_pid_mountinfo(5): "id parent major:minor root point options ... - kind source
// superoptions".
func diskMounts(table string) []string {
	var points []string
	for line := range strings.Lines(table) {
		before, after, isWhole := strings.Cut(line, " - ")
		fields, device := strings.Fields(before), strings.Fields(after)
		if !isWhole || len(fields) < 5 || len(device) < 2 || !strings.HasPrefix(device[1], "/") {
			continue
		}
		if point := unescape(fields[4]); point != "/" {
			points = append([]string{point}, points...)
		}
	}
	return points
}

// unescape decodes "\040" and the like, which the kernel writes for white space and backslashes.
func unescape(text string) string {
	var out strings.Builder
	for i := 0; i < len(text); i++ {
		if text[i] == '\\' && i+3 < len(text) {
			if code, err := strconv.ParseUint(text[i+1:i+4], 8, 8); err == nil {
				out.WriteByte(byte(code))
				i += 3
				continue
			}
		}
		out.WriteByte(text[i])
	}
	return out.String()
}
