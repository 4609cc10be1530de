package confine

import (
	"github.com/landlock-lsm/go-landlock/landlock/syscall"
	"golang.org/x/sys/unix"
)

// Walls lists the mechanisms that this kernel offers.
type Walls struct {
	// version of Landlock's interface; 0 when the kernel has no Landlock, or it is switched off
	LandlockABI int `json:"landlockAbi"`
	// whether the kernel has seccomp with filters
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

// A kernel that knows filters rejects this one with EFAULT, because it has no address (seccomp(2)).
func hasSeccompFilters() bool {
	return unix.Prctl(unix.PR_SET_SECCOMP, unix.SECCOMP_MODE_FILTER, 0, 0, 0) == unix.EFAULT
}
