// Package boot is the first program of the guest, /init of the initramfs: it makes the root out of the drives
// and hands over to the image's init. docs/agent-protocol.md describes the drives and the kernel command
// line.
//
// It either hands over, or prints one line "banger-agent: boot failed at <stage>: <cause>" and powers the VM
// off, so that the host sees an exit instead of a VM that hangs. When the kernel has measured the frequency
// of its timer wrong, it restarts the machine.
package boot

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"banger.dev/agent/internal/beside"
	"banger.dev/agent/internal/cmdline"
	"banger.dev/agent/internal/drives"
	"banger.dev/agent/internal/ext4"
	"banger.dev/agent/internal/power"
	"banger.dev/agent/internal/workdisk"
)

// ProbeLine is what the probe mode prints.
const ProbeLine = "BANGER-PROBE-OK"

// deadline ends a boot that hangs; even a slow boot takes only seconds.
const deadline = 3 * time.Minute

const drivesDeadline = 20 * time.Second

// Run boots the guest. args are the kernel's parameters for the image's init. It does not return.
func Run(args []string) {
	s := &sequence{console: os.Stdout, args: args}
	defer func() {
		if cause := recover(); cause != nil {
			s.fail(fmt.Errorf("panic: %v", cause))
		}
	}()
	watchdog := time.AfterFunc(deadline, func() { s.fail(fmt.Errorf("not done after %v", deadline)) })
	defer watchdog.Stop()
	s.fail(s.boot())
}

func (s *sequence) boot() error {
	if err := s.step("kernel file systems", func() error { return mountAll(kernelMounts) }); err != nil {
		return err
	}
	if err := s.step("kernel command line", s.readOptions); err != nil {
		return err
	}
	if err := showErrors("/proc/sys/kernel/printk"); err != nil {
		s.report(fmt.Sprintf("cannot show the kernel's errors on the console: %v", err))
	}
	if s.options.Mode == cmdline.ModeProbe {
		s.say(ProbeLine)
		power.Off()
	}
	if err := s.step("timer", s.checkTimer); err != nil {
		s.startOver(err)
	}
	for _, step := range []struct {
		name string
		run  func() error
	}{
		{"kernel modules", s.loadRootModules},
		{"drives", s.findDrives},
		{"root device", s.makeRootDevice},
		{"root file system", s.mountRoot},
		{"device modules", func() error { return s.deviceModules() }},
		{"switch of roots", switchRoot},
		{"work disk", s.mountWork},
		{"modules drive", s.mountModules},
		{"agent", func() error { return s.agentInstalled() }},
		{"hand-over", s.handOver},
	} {
		if err := s.step(step.name, step.run); err != nil {
			return err
		}
	}
	return nil
}

func (s *sequence) readOptions() (err error) {
	s.options, err = cmdline.Read()
	return err
}

// checkTimer checks the timer when the host has said how fast it is.
func (s *sequence) checkTimer() error {
	if s.options.TimerHz == 0 {
		return nil
	}
	return checkTimer(s.options.TimerHz)
}

// loadRootModules loads the modules that the root needs, and starts loading the others in the background.
func (s *sequence) loadRootModules() error {
	lists, err := readModuleLists()
	if err != nil {
		return err
	}
	err = loadModules(lists.root, s.report)
	s.deviceModules = beside.Run(func() error { return loadModules(lists.devices, s.report) })
	return err
}

func (s *sequence) findDrives() (err error) {
	required := []string{drives.Root, drives.Overlay, drives.Work}
	s.drives, err = drives.Wait("/sys", required, s.options.DriveOrder(), drivesDeadline)
	return err
}

func (s *sequence) makeRootDevice() error {
	root, overlay := s.drives[drives.Root], s.drives[drives.Overlay]
	plan, err := planLayout(root.Sectors, s.options.OverlayFreeBytes)
	if err != nil {
		return err
	}
	if overlay.Sectors < plan.overlaySectors() {
		return fmt.Errorf("overlay drive has %d sectors and needs %d", overlay.Sectors, plan.overlaySectors())
	}
	s.rootSectors = plan.rootSectors()
	image, err := createDmDevice("image", plan.imageTable(root.Dev, overlay.Dev, true))
	if errors.Is(err, unix.EINVAL) {
		image, err = createDmDevice("image", plan.imageTable(root.Dev, overlay.Dev, false))
	}
	if err != nil {
		return err
	}
	device, err := createDmDevice("root", plan.rootTable(image.dev, overlay.Dev))
	if err != nil {
		return err
	}
	s.rootDevice = device.path
	if err := allowLargeDiscards(device); err != nil {
		s.report(fmt.Sprintf("cannot return the space of deleted files to the host: %v", err))
	}
	return nil
}

func (s *sequence) mountRoot() error {
	if err := os.MkdirAll(newRoot, 0o755); err != nil {
		return err
	}
	_, err := ext4.Mount(s.rootDevice, newRoot, s.rootSectors)
	return err
}

func (s *sequence) mountWork() error {
	s.agentInstalled = beside.Run(func() error { return installAgent(agentPath) })
	return workdisk.Mount(s.drives[drives.Work])
}

func (s *sequence) mountModules() error {
	modules, isThere := s.drives[drives.Modules]
	if !isThere {
		return nil
	}
	return mountModules(modules)
}

// handOver executes the image's systemd, or the agent as process 1 when the image has none. Neither program
// is in the initramfs, so the kernel can then free the last of its memory.
func (s *sequence) handOver() error {
	systemd, err := findSystemd("/")
	if err != nil {
		return err
	}
	argv := []string{agentPath, "init"}
	if systemd != "" {
		if err := writeUnits(unitDir); err != nil {
			return err
		}
		if s.options.EndsByRestart {
			if err := restartAtEnd.write(unitDir); err != nil {
				return err
			}
		}
		argv = append([]string{systemd}, s.args...)
	}
	s.mark("start " + argv[0])
	if err := unix.Exec(argv[0], argv, os.Environ()); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	return nil
}
