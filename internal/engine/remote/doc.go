// Package remote is an engine over any ms-enclave server (version 0.0.8): the
// original with its Docker, or Cupel's own.
//
// The protocol knows sandboxes, archives to unpack in them, and tools. A tool
// takes no stdin, gives no exit status, and its output is text. So a program
// is run by a shell script of ours (sh/run.sh) in the tool shell_executor: it
// gives the program the stdin and the limits, keeps its output, ends all that
// it started, and prints one frame:
//
//	TOKEN begin
//	KEY VALUE…          one line each; see frame.go
//	TOKEN end
//
// TOKEN is random for every call. Output is in Base64 (hexadecimal where the
// image has no base64); what is longer than 1 MiB stays in a file that further
// calls fetch. The image needs a POSIX shell, coreutils, grep and, for Get,
// tar.
//
// # What it can't do
//
// Stdin is read to its end before the program starts, and output comes when it
// has ended: a program can't be talked to. A call whose context ends deletes
// its sandbox, since the original goes on with a tool that nobody waits for;
// calls after that are kind Closed. There is no Reset. Processes, disk and
// inodes can't be limited through the protocol: other than default limits on
// them are refused. What isolates the program is the server's business; it is
// taken on trust and reported as Isolation.Missing. A program can kill the
// script that watches it, since both are one user in one container: it is then
// reported as killed, without output.
package remote
