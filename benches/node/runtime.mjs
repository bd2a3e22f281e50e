// The smallest client of the Lambda Runtime API. The official one (aws-lambda-ric) has to be compiled on installation and
// does more: logs in a format of Lambda's, streams, contexts. So what Node needs is told low rather than high.
//
// Source: https://docs.aws.amazon.com/lambda/latest/dg/runtimes-api.html

import http from "node:http";

const agent = new http.Agent({ keepAlive: true });
const base = `http://${process.env.AWS_LAMBDA_RUNTIME_API}/2018-06-01/runtime`;

function call(method, path, body) {
  return new Promise((resolve, reject) => {
    const request = http.request(`${base}${path}`, { method, agent }, (answer) => {
      const parts = [];
      answer.on("data", (part) => parts.push(part));
      answer.on("end", () => resolve({ headers: answer.headers, body: Buffer.concat(parts) }));
      answer.on("error", reject);
    });
    request.on("error", reject);
    request.end(body);
  });
}

async function run() {
  const { handler } = require("./function.cjs");
  for (;;) {
    const event = await call("GET", "/invocation/next");
    const id = event.headers["lambda-runtime-aws-request-id"];
    try {
      const answer = await handler(JSON.parse(event.body));
      await call("POST", `/invocation/${id}/response`, JSON.stringify(answer));
    } catch (error) {
      const told = JSON.stringify({ errorType: error.name, errorMessage: error.message });
      await call("POST", `/invocation/${id}/error`, told);
    }
  }
}

run();
