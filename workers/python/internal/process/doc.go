// Package process is the processes of workers as the system has them: which Python they run,
// how they are started and say that they are ready, what connects them with the front, and
// how and why they end.
package process
