// Package cgroup limits and ends containers by control groups, where the host has handed a subtree of them to the user.
//
// Words. The *root* is the cgroup that was handed over (delegated): its directory and its cgroup.procs belong to the
// user. A *group* is a directory below it, of a Pod or of a container. A *controller* (cpu, memory, pids) offers limits.
//
//	root            handed over by systemd --user (Delegate=yes) or by an administrator
//	├── node        the node itself
//	└── <pod>       limits of the Pod
//	    ├── pause
//	    └── <container>
//
// One use:
//
//	m, err := cgroup.Probe()                           // ErrNotDelegated: run without limits, and say why
//	err = m.Enter()                                    // the node moves to root/node
//	pod, err := m.Create(uid, cgroup.Limits{})
//	c, err := pod.Create(id, cgroup.Limits{Memory: 64 << 20})
//	dir, err := c.Open()                               // SysProcAttr.CgroupFD: the process starts in it
//	c = m.Adopt(directory); err = c.Set(limits)        // of this node or an earlier one: its limits change
//	c = cgroup.Existing(directory)                     // the same, to be looked at and ended
//	killed, err := c.OOMKills()
//	err = c.Kill(); err = c.Remove()
//
// Rules of the kernel (Documentation/admin-guide/cgroup-v2.rst) that shape this:
//
//   - A group that hands controllers to its children may have no process of its own. Hence the node in a leaf, and
//     no process in a Pod's group itself.
//   - A process may be moved or started only by somebody who may write the cgroup.procs of source, destination and
//     their common ancestor. So groups of one root only, and none in a login session, whose cgroup belongs to root.
//   - Controllers of cgroup v1 hierarchies (a hybrid host) are not available here, and cannot be delegated safely.
//
// Not promised: that a limit holds whose controller was not handed over. Create says which were left out.
package cgroup
