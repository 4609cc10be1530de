// Package power ends the VM.
package power

import (
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/cmdline"
)

// Off syncs the disks and ends the VM: it turns the machine off, or restarts it where only that ends the VM.
// Only process 1, or root in the VM, may call it. It does not return.
func Off() {
	unix.Sync()
	drainConsole()
	command := unix.LINUX_REBOOT_CMD_POWER_OFF
	if endsByRestart() || !hasPowerSwitch() {
		// The kernel would halt for ever (kernel/reboot.c). A restart ends the VM as well, with every VMM
		// that we use.
		command = unix.LINUX_REBOOT_CMD_RESTART
	}
	end(command)
}

// Restart resets the machine without a sync. Only process 1 may call it, before it has mounted a drive. It
// does not return.
func Restart() {
	drainConsole()
	end(unix.LINUX_REBOOT_CMD_RESTART)
}

func end(command int) {
	_ = unix.Reboot(command)
	for {
		time.Sleep(time.Hour)
	}
}

// endsByRestart reports whether the host has said that its VMM outlives a machine that is turned off.
func endsByRestart() bool {
	options, err := cmdline.Read()
	return err == nil && options.EndsByRestart
}

// hasPowerSwitch reports whether the kernel can turn this machine off: with PSCI on arm64, and only with ACPI
// on a PC.
func hasPowerSwitch() bool {
	if runtime.GOARCH != "amd64" {
		return true
	}
	_, err := os.Stat("/sys/firmware/acpi")
	return err == nil
}

// drainConsole waits until the serial port has sent the last line, which would otherwise be lost.
func drainConsole() {
	console, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY, 0)
	if err != nil {
		return
	}
	defer console.Close()
	// tcdrain(3)
	_ = unix.IoctlSetInt(int(console.Fd()), unix.TCSBRK, 1)
}
