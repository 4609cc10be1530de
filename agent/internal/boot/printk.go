package boot

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// quietLevel is the console's level of a kernel that was started with "quiet": errors and worse are shown.
const quietLevel = 4

// showErrors brings the kernel's errors onto the console. Until then the host has them hidden, because a
// kernel that finds no PCI bus calls that a fatal error, and a microVM has none. A level that shows more
// stays.
func showErrors(printk string) error {
	text, err := os.ReadFile(printk)
	if err != nil {
		return err
	}
	// proc_sys_kernel(5): the console's level comes first.
	current, _, _ := strings.Cut(strings.TrimSpace(string(text)), "\t")
	level, err := strconv.Atoi(current)
	if err != nil {
		return fmt.Errorf("%s: %w", printk, err)
	}
	if level >= quietLevel {
		return nil
	}
	return os.WriteFile(printk, []byte(strconv.Itoa(quietLevel)), 0)
}
