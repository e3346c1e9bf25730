// Package server is Cupel's own HTTP API, /v1, over a service.Service. Package
// api has its types and says what errors look like; openapi.json, which it
// serves, describes every route.
//
// A handler decodes, makes one call of the service and encodes. What a caller
// may ask for is the operator's [Policy]: nothing is opened (the host's
// network, its files, privileges, a weaker isolation) by a request alone.
package server
