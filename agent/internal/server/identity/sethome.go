package identity

import (
	"os"

	"banger.dev/agent/internal/gitwatch"
	"banger.dev/agent/internal/server/process"
	"banger.dev/agent/internal/workdisk"
)

// setHome makes the home of a user a view of the work disk, and lets the user's git ask for changes.
func setHome(account process.Account, isFilled bool) error {
	owner := workdisk.Owner{UID: account.UID, GID: account.GID}
	if err := workdisk.MountView(account.Home, owner, isFilled); err != nil {
		return err
	}
	// Without it, git only looks at all files.
	_ = os.Chown(gitwatch.SocketPath, int(account.UID), int(account.GID))
	return nil
}
