package boot

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// quietLevel is the console log level that the parameter "quiet" sets: the console shows errors and worse.
const quietLevel = 4

// showErrors makes the console show the kernel's errors. Until then the host's kernel command line hides
// them, because a microVM has no PCI bus and the kernel calls that a fatal error. A level that shows more
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
