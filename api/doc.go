// Package api is the wire format of Cupel's own HTTP API, /v1, as Go types.
// Package client speaks it, the server serves it, and the document at
// /v1/openapi.json describes it.
//
// A program's verdict is a [Result]; its JSON is what cupel run --json prints.
// What the machine failed to do, and every refused request, is an [Error] with
// an HTTP status that is not 2xx:
//
//	kind          status  meaning
//	invalid          400  the request is wrong; the message names the field
//	not_found        404  nothing there has this name
//	exists           409  something there has this name already
//	unsupported      422  the request is right, and this server can't honour it
//	unsupported      403  it could, and its operator's policy doesn't let it
//	exhausted        429  too much at once; nothing was started
//	unavailable      503  the machine or an engine failed in a way that may pass
//	closed           503  the server, or the sandbox, is closing
//	canceled         499  the caller went away first
//	internal         500  a bug, or a broken machine
//
// Besides, 401 (no or a wrong key), 405 (with Allow), 413 (a body that is too
// large) and 415 (a body of another media type) are of kind invalid. Where
// Retry-After is set nothing was started, and the same request may be sent
// again after so many seconds.
//
// Keys that a request type does not have are refused, so that a misspelt limit
// is never a missing one.
package api
