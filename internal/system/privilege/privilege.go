// Package privilege makes a process that was started as root one of another user, for good.
// That is for all of its threads, and what it opens from then on is that user's.
package privilege

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// User is who a process is to be.
type User struct {
	UID, GID int
	// Groups are those beside GID.
	Groups []int
	// Name and Home are empty for a number that no user has.
	Name, Home string
}

// UnknownError says that there is no user or group of that name.
type UnknownError struct {
	// Kind is "user" or "group".
	Kind, Name string
}

func (e *UnknownError) Error() string { return "there is no " + e.Kind + " " + e.Name }

// Find looks a user and a group up, by their names or numbers. Without a user it is the
// present one, without a group that of the user. With all, Groups are those that the system
// has the user in, else there are none.
func Find(userName, groupName string, all bool) (*User, error) {
	u := &User{UID: os.Geteuid(), GID: os.Getegid()}
	if userName != "" {
		if err := u.find(userName, groupName != ""); err != nil {
			return nil, err
		}
	}
	if groupName != "" {
		gid, err := group(groupName)
		if err != nil {
			return nil, err
		}
		u.GID = gid
	}
	if all {
		return u, u.allGroups()
	}
	return u, nil
}

// find fills in what is known of a user. A number that no user has is good if the group is
// known from elsewhere.
func (u *User) find(name string, grouped bool) error {
	found, err := user.Lookup(name)
	number, numeric := strconv.Atoi(name)
	if err != nil && numeric == nil {
		if found, err = user.LookupId(name); err != nil && number >= 0 && grouped {
			u.UID = number
			return nil
		}
	}
	if err != nil && numeric == nil {
		return fmt.Errorf("no user has the number %s: say which group it is to be, too", name)
	}
	if err != nil {
		return &UnknownError{"user", name}
	}
	u.Name, u.Home = found.Username, found.HomeDir
	u.UID, _ = strconv.Atoi(found.Uid) // they are numbers on Unix
	u.GID, _ = strconv.Atoi(found.Gid)
	return nil
}

func group(name string) (int, error) {
	if g, err := user.LookupGroup(name); err == nil {
		return strconv.Atoi(g.Gid)
	}
	if n, err := strconv.Atoi(name); err == nil && n >= 0 {
		return n, nil
	}
	return 0, &UnknownError{"group", name}
}

func (u *User) allGroups() error {
	if u.Name == "" {
		return errors.New("the groups of a user are known by its name: give one")
	}
	found, err := user.Lookup(u.Name)
	if err != nil {
		return err
	}
	ids, err := found.GroupIds()
	if err != nil {
		return err
	}
	for _, id := range ids {
		if n, err := strconv.Atoi(id); err == nil && n != u.GID {
			u.Groups = append(u.Groups, n)
		}
	}
	return nil
}

// IsPresent tells whether the process is that user already.
func (u *User) IsPresent() bool { return u.UID == os.Geteuid() && u.GID == os.Getegid() }

// Assume makes the process that user's, with Groups and no others. It does nothing if it is
// already. There is no way back, which is tried.
func (u *User) Assume() error {
	if u.IsPresent() {
		return nil
	}
	groups := u.Groups
	if groups == nil {
		groups = []int{} // nil would leave root's
	}
	err := syscall.Setgroups(groups)
	if err == nil {
		err = syscall.Setgid(u.GID)
	}
	if err == nil && u.UID != os.Geteuid() {
		err = syscall.Setuid(u.UID)
	}
	if errors.Is(err, syscall.EPERM) {
		return fmt.Errorf("only root may become another user or group, and this is user %d", os.Geteuid())
	}
	if err != nil {
		return fmt.Errorf("cannot become user %d and group %d: %w", u.UID, u.GID, err)
	}
	if u.UID != 0 && syscall.Setuid(0) == nil {
		return errors.New("root's privileges cannot be given up")
	}
	return nil
}

// Own gives a file that root has made to the user: a regular file or a socket under the very
// path. A symbolic link, or a file with a second name, stays what it is, since who can write to the
// folder could have put it there, for a file that is none of theirs.
func (u *User) Own(path string) error {
	var st unix.Stat_t
	if err := unix.Lstat(path, &st); err != nil {
		return &os.PathError{Op: "lstat", Path: path, Err: err}
	}
	switch kind := uint32(st.Mode) & unix.S_IFMT; { //nolint:unconvert // it is an uint16 on FreeBSD
	case kind == unix.S_IFREG && st.Nlink == 1:
		return u.ownFile(path)
	case kind == unix.S_IFSOCK:
		return os.Lchown(path, u.UID, u.GID)
	}
	return nil
}

// ownFile looks once more, at what is open now.
func (u *User) ownFile(path string) error {
	f, err := os.OpenFile(path, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return err
	}
	defer f.Close() // it was not written to
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return os.NewSyscallError("fstat", err)
	}
	if st.Nlink != 1 || uint32(st.Mode)&unix.S_IFMT != unix.S_IFREG { //nolint:unconvert // see Own
		return nil
	}
	return f.Chown(u.UID, u.GID)
}

// Environment has the process's variables name the user, as a login would, and no folder
// that is root's alone.
func (u *User) Environment() error {
	err := os.Unsetenv("XDG_RUNTIME_DIR")
	if u.Name == "" {
		return err
	}
	return errors.Join(err, os.Setenv("HOME", u.Home), os.Setenv("USER", u.Name), os.Setenv("LOGNAME", u.Name))
}
