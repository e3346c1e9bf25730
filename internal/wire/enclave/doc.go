// Package enclave holds the wire types of ms-enclave's HTTP API, version 0.0.8
// (https://github.com/modelscope/ms-enclave): what its server, a FastAPI
// application, sends and takes, and nothing that acts. The door that serves the
// protocol and the engine that speaks it share them.
//
//	GET    /health                       HealthCheckResult
//	POST   /sandbox/create               ?sandbox_type=T, a config or null -> {"sandbox_id": ID}
//	GET    /sandboxes                    [?status=S] -> [SandboxInfo]
//	GET    /sandbox/{id}                 SandboxInfo
//	DELETE /sandbox/{id}                 {"message": "Sandbox deleted successfully"}
//	POST   /sandbox/{id}/stop            {"message": "Sandbox stopped successfully"}
//	POST   /sandbox/tool/execute         ToolExecutionRequest -> ToolResult
//	GET    /sandbox/{id}/tools           {NAME: ToolSchema}
//	POST   /sandbox/{id}/archive         ?target_dir=D, a tar -> {"ok": true}
//	GET    /stats                        an object
//	POST   /pool/initialize              [?pool_size=N&sandbox_type=T], a config or null -> PoolInitialized
//	POST   /pool/execute                 ?tool_name=N[&timeout=S], the tool's parameters -> ToolResult
//
// A refusal is {"detail": TEXT}, or with status 422 {"detail": [ValidationError]}.
package enclave
