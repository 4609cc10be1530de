package confine

import (
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Walls are what this kernel offers.
type Walls struct {
	// version of Landlock's interface; 0 when the kernel has none, or it is switched off
	LandlockABI int `json:"landlockAbi"`
	// seccomp with filters
	Seccomp bool `json:"seccomp"`
}

// Offered asks the kernel.
func Offered() Walls {
	abi, err := syscall.LandlockGetABIVersion()
	if err != nil || abi < 0 {
		abi = 0
	}
	return Walls{LandlockABI: abi, Seccomp: hasSeccompFilters()}
}

// seccomp(2): a filter at no address is refused for its address, where filters are known at all.
func hasSeccompFilters() bool {
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0) == unix.EFAULT
}
