package boot

import (
	"os"
	"path/filepath"
)

// unitDir is where systemd looks for units that last until the next boot, so the image stays unchanged.
const unitDir = "/run/systemd/system"

// agentUnit has no dependencies, so that systemd starts it as early as possible. It has no
// Conflicts=shutdown.target, so that the agent answers until systemd ends the last processes. The commands
// that a host runs are in its control group and end with it.
const agentUnit = `[Unit]
Description=Agent of the host
DefaultDependencies=no
IgnoreOnIsolate=yes
StartLimitIntervalSec=0

[Service]
ExecStart=` + agentPath + ` serve --init systemd
Restart=always
RestartSec=100ms
TimeoutStopSec=5s
KillMode=control-group
Slice=-.slice
TasksMax=infinity
OOMPolicy=continue
StandardInput=null
StandardOutput=null
StandardError=null
`

// readyUnit runs at basic.target, when a user's command finds what it expects: sockets (D-Bus, Docker),
// temporary files and local file systems.
const readyUnit = `[Unit]
Description=Commands of the host may run
DefaultDependencies=no
After=basic.target sockets.target dbus.socket docker.socket
Conflicts=shutdown.target
Before=shutdown.target

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=` + agentPath + ` ready
StandardInput=null
StandardOutput=null
`

// restartAtEnd makes systemd restart the machine where it would turn it off. systemd-poweroff.service is what
// every way to turn the system off ends with.
var restartAtEnd = dropIn{"systemd-poweroff.service", `[Unit]
SuccessAction=reboot-force
`}

// dropIn is a file that changes a unit of the image.
type dropIn struct {
	unit string
	text string
}

// write puts the file into dir, which is where systemd looks for units.
func (d dropIn) write(dir string) error {
	folder := filepath.Join(dir, d.unit+".d")
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(folder, "banger.conf"), []byte(d.text), 0o644)
}

// unit is a unit file and the target that starts it.
type unit struct {
	name     string
	text     string
	wantedBy string
}

var units = []unit{
	{"banger-agent.service", agentUnit, "sysinit.target"},
	{"banger-ready.service", readyUnit, "basic.target"},
}

// writeUnits puts the agent's units into dir, as "systemctl enable --runtime" would.
func writeUnits(dir string) error {
	for _, u := range units {
		wants := filepath.Join(dir, u.wantedBy+".wants")
		if err := os.MkdirAll(wants, 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(dir, u.name), []byte(u.text), 0o644); err != nil {
			return err
		}
		if err := os.Symlink(filepath.Join("..", u.name), filepath.Join(wants, u.name)); err != nil {
			return err
		}
	}
	return nil
}
