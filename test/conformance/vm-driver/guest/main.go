// Command testguest is the /init of the VMs that the driver suite boots, so that a test can ask what a guest
// sees without a root file system. It loads the modules of its initramfs and answers one-line requests on the
// agent's port. With "--socket PATH" it is an ordinary program that answers on a Unix socket: the guest of a
// driver that has no VM.
//
// A request is "TOKEN VERB ARGUMENT...", its answer "TOKEN ok RESULT" or "TOKEN error CAUSE". The token tells
// answers of an earlier connection from those of this one, and a request that was sent again from a new one:
// it is carried out once.
//
//	ping TEXT                     TEXT
//	drives                        SERIAL:BYTES:ro|rw ...
//	write SERIAL OFFSET TEXT      one page, past the guest's cache, never flushed
//	read SERIAL OFFSET LENGTH     TEXT
//	print TEXT                    nothing; TEXT goes to the console
//	flood BYTES                   nothing; so many bytes go to the console
//	clock                         the kernel's clock source
//	network                       nothing; the interface gets its addresses
//	reach tcp|udp|icmp|dns ADDR S what comes back from there in S seconds
//	remember TEXT                 nothing; recall gives TEXT again
//	churn                         nothing; memory is written all the time until settle, which tells whether a
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

// guest is where requests act.
type guest struct {
	console io.Writer
	// powerOff ends the VM, or the program that plays it.
	powerOff func()
	// lastToken is of the request that was answered last, with lastReply.
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
	// The serial line drains.
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
		// Nobody is connected, which the port reports as the end of the file.
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
