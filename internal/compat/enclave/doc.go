// Package enclave serves the HTTP API of ms-enclave's server (package
// wire/enclave has its routes and types) over a service: its clients run
// unchanged, and what they run is isolated by an engine of ours.
//
// A request goes through a route, which names its handler; the handler decodes,
// asks the registry or the service, and encodes. Sandboxes and pools belong to
// the key they came with: other keys don't see them. Each route exists a second
// time below /pools/NAME, as a world of its own: sandboxes and pools made there
// are seen there alone (and by the same key at the root).
//
// # Pools
//
// The protocol's pools have no name, and its server mixes the sandboxes of all
// clients. Here every config has a pool of its own, and a program never runs in
// the wrong one: which pool a request means is found by, in this order, a name
// (the path /pools/NAME, the header X-Cupel-Pool, the query parameter pool), the
// cookie that the initialization set, the connection it came over, there being
// only one pool, or the process that sent it (on this machine). What stays
// unclear is refused with 409.
//
// The ids of a pool are slots: what is counted, listed and deleted. The
// sandboxes behind them belong to service.Pool, which resets and verifies each
// between two runs; only what a run writes to a writable volume stays.
//
// # Where it differs
//
// What theirs refuses is refused here in the same words. golden_test.go holds
// what the original answered and lists every answer that differs on purpose,
// with the reason. The rest of it: errors of the machine are 429, 500 or 503 and
// never a tool's result; remove_on_exit false keeps a record and no files;
// ids of other keys are as if they weren't there.
package enclave
