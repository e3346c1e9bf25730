// Package tool is the five tools of the ms-enclave protocol, run in a
// [cupel.Sandbox]: python_executor, shell_executor, file_operation,
// multi_code_executor and notebook_executor. Their names, schemas, parameters
// and messages are the protocol's, version 0.0.8.
//
// A tool never mixes what the program did, which is an [Outcome], with what the
// machine failed to do, which is an error. Parameters are read strictly: what
// the tool doesn't know or can't use is an error of kind Invalid that names it,
// and nothing has run then.
//
// What the protocol has no place for is in a result's metadata: "cupel", a
// [Run], and with notebook_executor "rich", a list of outputs by media type.
//
// # The notebook's protocol
//
// A [Kernel] is one Exec of a Python program in the sandbox, the driver
// (cells.py and driver.py in one argument). No port and no network is involved:
// the host writes requests to its standard input and reads frames from its
// standard output, each one line of JSON. The driver starts with
//
//	{"ready": "cupel" or "ipykernel", "python": "3.11.7"}
//
// The host asks for one cell at a time, with a name that no cell can guess and
// a timeout in seconds, which may be left out:
//
//	{"id": NAME, "code": TEXT, "timeout": SECONDS}
//
// and gets one frame when the cell has ended:
//
//	{"id": NAME, "text": BASE64, "result": TEXT or null, "error": TEXT or null,
//	 "rich": [{MEDIA TYPE: CONTENT}], "timed_out": BOOL, "died": TEXT or null,
//	 "truncated": BOOL}
//
// text is what was written to stdout and stderr in order, result the last
// expression's value, error the traceback; all are cut to the driver's
// max_output, given with grace in its second argument. When time is up, or the
// host no longer waits and says {"interrupt": NAME}, the kernel gets SIGINT;
// one that goes on for the grace is killed. died says how a kernel ended: the
// driver ends after that frame, and with it the Exec and every process in it,
// and the host starts anew with the next cell. The driver also ends when its
// input does.
//
// The kernel is the image's ipykernel where that is installed with
// jupyter_client, over sockets in a directory of the sandbox, and else a forked
// child of the driver. That one has a control socket, lines of JSON again:
// {"id", "code"} to it, {"id", "result", "error", "rich", "truncated"} back.
//
// Cells run as the driver's own user and can do to it what they like: write
// frames of their own, stop or kill it. The host believes of a frame only what
// the cell could have said anyway, bounds what it keeps, never waits for a
// driver beyond the cell's timeout, and ends an Exec that breaks the protocol.
package tool
