// The ticket task as a plain function: claims a task, opens a Zendesk ticket, stores how it ended, tells the bus.
//
// It reads and writes the same rows as the project's function, makes the same calls, and leaves out what that one does
// beyond them: looking for a ticket after a lost answer, retries that know a pace, records of attempts, renewed tokens.

import { randomUUID } from "node:crypto";
import { ConditionalCheckFailedException, DynamoDBClient } from "@aws-sdk/client-dynamodb";
import { EventBridgeClient, PutEventsCommand } from "@aws-sdk/client-eventbridge";
import { GetSecretValueCommand, SecretsManagerClient } from "@aws-sdk/client-secrets-manager";
import { DynamoDBDocumentClient, GetCommand, UpdateCommand } from "@aws-sdk/lib-dynamodb";

const tables = DynamoDBDocumentClient.from(new DynamoDBClient({}));
const events = new EventBridgeClient({});
const secrets = new SecretsManagerClient({});
const LEASE_MS = 60_000;
const SECRET_MS = 300_000;

const known = new Map();

export async function handler(event) {
  const failures = await Promise.all(
    event.Records.map(async (record) => {
      try {
        await perform(JSON.parse(record.body).detail);
        return [];
      } catch (error) {
        console.log(JSON.stringify({ level: "ERROR", message: "task failed", error: error.name }));
        return [{ itemIdentifier: record.messageId }];
      }
    }),
  );
  return { batchItemFailures: failures.flat() };
}

async function perform(message) {
  const { run_id: run, task } = message;
  const owner = randomUUID();
  const row = await claim(run, task, owner);
  if (!row) {
    return;
  }
  const { url, authorization } = await account(JSON.parse(row.document).account);
  const key = `${run}.${task}`;
  const answer = await fetch(`${url}/api/v2/tickets`, {
    method: "POST",
    headers: { authorization, "content-type": "application/json", "idempotency-key": key },
    body: JSON.stringify({ ticket: ticket(JSON.parse(row.input), key) }),
    signal: AbortSignal.timeout(20_000),
  });
  if (!answer.ok) {
    throw new Error(`HTTP ${answer.status}`);
  }
  const created = (await answer.json()).ticket;
  await end(run, task, owner, { id: created.id });
  await events.send(
    new PutEventsCommand({
      Entries: [
        {
          EventBusName: process.env.EVENT_BUS,
          Source: "closedloop.tasks",
          DetailType: "task.succeeded",
          Detail: JSON.stringify(message),
        },
      ],
    }),
  );
  console.log(JSON.stringify({ level: "INFO", message: "task succeeded", run, task }));
}

async function claim(run, task, owner) {
  const now = Date.now();
  try {
    const answer = await tables.send(
      new UpdateCommand({
        TableName: process.env.RUNS_TABLE,
        Key: { pk: run, sk: `task#${task}` },
        UpdateExpression: "SET #state = :running, lease_owner = :owner, lease_until = :until",
        ConditionExpression: "#state = :requested OR (#state = :running AND lease_until < :now)",
        ExpressionAttributeNames: { "#state": "state" },
        ExpressionAttributeValues: {
          ":running": "running",
          ":requested": "requested",
          ":owner": owner,
          ":now": now,
          ":until": now + LEASE_MS,
        },
        ReturnValues: "ALL_NEW",
      }),
    );
    return answer.Attributes;
  } catch (error) {
    if (error instanceof ConditionalCheckFailedException) {
      return undefined;
    }
    throw error;
  }
}

async function end(run, task, owner, output) {
  await tables.send(
    new UpdateCommand({
      TableName: process.env.RUNS_TABLE,
      Key: { pk: run, sk: `task#${task}` },
      UpdateExpression: "SET #state = :succeeded, #output = :output REMOVE lease_owner, lease_until",
      ConditionExpression: "#state = :running AND lease_owner = :owner",
      ExpressionAttributeNames: { "#state": "state", "#output": "output" },
      ExpressionAttributeValues: {
        ":succeeded": "succeeded",
        ":running": "running",
        ":owner": owner,
        ":output": JSON.stringify(output),
      },
    }),
  );
}

async function account(name) {
  const found = known.get(name);
  if (found && Date.now() - found.readAt < SECRET_MS) {
    return found;
  }
  const table = process.env.ACCOUNTS_TABLE;
  const { Item: row } = await tables.send(new GetCommand({ TableName: table, Key: { name }, ConsistentRead: true }));
  const secret = JSON.parse((await secrets.send(new GetSecretValueCommand({ SecretId: row.secret }))).SecretString);
  const credentials = Buffer.from(`${secret.email}/token:${secret.token}`).toString("base64");
  const read = {
    url: process.env.ZENDESK_URL.replace("{subdomain}", row.instance),
    authorization: `Basic ${credentials}`,
    readAt: Date.now(),
  };
  known.set(name, read);
  return read;
}

function ticket(input, key) {
  return {
    subject: input.subject,
    comment: { body: input.comment, public: input.public },
    priority: input.priority,
    tags: input.tags,
    external_id: key,
  };
}
