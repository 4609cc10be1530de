// Command testguest is the /init of the VMs that the driver suite boots. Through it a test can inspect a
// guest without a root file system. It loads the modules of its initramfs and answers one-line requests on
// the agent's port. With "--socket PATH" it is an ordinary program that answers on a Unix socket: the guest
// of a driver without VMs.
//
// A request is "TOKEN VERB ARGUMENT...", its answer "TOKEN ok RESULT" or "TOKEN error CAUSE". The token
// distinguishes answers of an earlier connection from those of this one, and a repeated request, which is
// executed only once, from a new one.
//
//	ping TEXT                     TEXT
//	drives                        SERIAL:BYTES:ro|rw ...
//	write SERIAL OFFSET TEXT      one page, past the guest's cache, never flushed
//	read SERIAL OFFSET LENGTH     TEXT
//	print TEXT                    nothing; TEXT goes to the console
//	flood BYTES                   nothing; so many bytes go to the console
//	clock                         the kernel's clock source
//	network                       nothing; the interface gets its addresses
//	reach tcp|udp|icmp|dns ADDR S the answer from there within S seconds
//	remember TEXT                 nothing; recall returns TEXT
//	churn                         nothing; memory is written all the time until settle, which reports whether a
//	                              write was lost
//	panic, poweroff               no answer
//
// With banger.mode=probe it prints the probe's marker and powers off.
package main

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"os"
	"syscall"
	"time"
)

// guest executes requests.
type guest struct {
	console io.Writer
	// powerOff ends the VM, or the program that plays a VM.
	powerOff func()
	// lastToken is the token of the last request, and lastReply the answer to it.
	lastToken, lastReply string
}

func main() {
	if len(os.Args) == 3 && os.Args[1] == "--socket" {
		if err := serveSocket(os.Args[2]); err != nil {
			fmt.Fprintln(os.Stderr, "testguest:", err)
			os.Exit(1)
		}
		return
	}
	mount("proc", "/proc")
	mount("sysfs", "/sys")
	mount("devtmpfs", "/dev")
	console, err := os.OpenFile("/dev/console", os.O_WRONLY, 0)
	if err != nil {
		powerOff()
	}
	cmdline, _ := os.ReadFile("/proc/cmdline")
	if bytes.Contains(cmdline, []byte("banger.mode=probe")) {
		fmt.Fprintln(console, "BANGER-PROBE-OK")
		powerOff()
	}
	if err := serveVM(console); err != nil {
		fmt.Fprintln(console, "testguest:", err)
	}
	powerOff()
}

func mount(kind, target string) {
	os.MkdirAll(target, 0o755)
	syscall.Mount(kind, target, kind, 0, "")
}

func powerOff() {
	// The serial port needs time to send the last line.
	time.Sleep(50 * time.Millisecond)
	syscall.Reboot(syscall.LINUX_REBOOT_CMD_POWER_OFF)
	select {}
}

func serveVM(console io.Writer) error {
	if err := loadModules("/modules"); err != nil {
		return err
	}
	port, err := openPort("banger.agent.0")
	if err != nil {
		return err
	}
	fmt.Fprintln(console, "testguest is up")
	guest := &guest{console: console, powerOff: powerOff}
	for {
		guest.serve(port)
		// No host is connected, which the port reports as the end of the file.
		time.Sleep(5 * time.Millisecond)
	}
}

func serveSocket(path string) error {
	listener, err := net.Listen("unix", path)
	if err != nil {
		return err
	}
	fmt.Println("testguest is up")
	for {
		connection, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			defer connection.Close()
			(&guest{console: os.Stdout, powerOff: func() { os.Exit(0) }}).serve(connection)
		}()
	}
}
