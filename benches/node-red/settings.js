// A Node-RED that serves flows and nothing else: no editor, no telemetry, no projects.
module.exports = {
  flowFile: "flows.json",
  httpAdminRoot: false,
  disableEditor: true,
  uiHost: "127.0.0.1",
  uiPort: Number(process.env.PORT),
  telemetry: { enabled: false, updateNotification: false },
  logging: { console: { level: "info", metrics: false, audit: false } },
  functionExternalModules: false,
  functionGlobalContext: { zendesk: process.env.ZENDESK_URL, authorization: process.env.ZENDESK_AUTHORIZATION },
  contextStorage: { default: { module: "memory" } },
};
