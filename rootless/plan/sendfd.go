package plan

import "golang.org/x/sys/unix"

// SendFD appends the sending of a descriptor, of a known number, over a unix socket (SCM_RIGHTS, unix(7)) with the bytes of name.
func (p *Plan) SendFD(what string, socket FD, fd int, name string) {
	rights := unix.UnixRights(fd)
	iov := words(p.add([]byte(name)), uint64(len(name)))
	// struct msghdr of 64-bit machines: name, its length, iov, their number, control, its length, flags.
	header := words(0, 0, p.add(iov), 1, p.add(rights), uint64(len(rights)), 0)
	p.Call(what, unix.SYS_SENDMSG, socket, Described{header, "{SCM_RIGHTS " + number(uint64(fd)) + "}"}, 0)
}
