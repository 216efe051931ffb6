// Package mounttable reads the kernel's table of mounts, whole and as it was at one
// moment, and tells on which of them an open file lies.
//
// It does not judge mounts, or know what lies on them. The source is
// proc_pid_mountinfo(5).
package mounttable
