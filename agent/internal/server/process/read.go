package process

import (
	"os"

	"golang.org/x/sys/unix"
)

// ReadWhatIsThere reads without waiting, also after the deadline of file. It returns os.ErrDeadlineExceeded
// when there is nothing to read, be it the end.
func ReadWhatIsThere(file *os.File, p []byte) (int, error) {
	raw, err := file.SyscallConn()
	if err != nil {
		return 0, err
	}
	var n int
	err = raw.Control(func(fd uintptr) {
		set := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		if ready, err := unix.Poll(set, 0); err == nil && ready > 0 && set[0].Revents&unix.POLLIN != 0 {
			n, _ = unix.Read(int(fd), p)
		}
	})
	if err == nil && n <= 0 {
		err = os.ErrDeadlineExceeded
	}
	return max(n, 0), err
}
