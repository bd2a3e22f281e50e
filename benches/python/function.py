"""The ticket task as a plain function: claims a task, opens a Zendesk ticket, stores how it ended, tells the bus.

It reads and writes the same rows as the project's function, makes the same calls, and leaves out what that one does
beyond them: looking for a ticket after a lost answer, retries that know a pace, records of attempts, renewed tokens.
"""

import json
import os
import time
import uuid

import boto3
import requests
from botocore.exceptions import ClientError

RUNS = boto3.resource("dynamodb").Table(os.environ["RUNS_TABLE"])
ACCOUNTS = boto3.resource("dynamodb").Table(os.environ["ACCOUNTS_TABLE"])
EVENTS = boto3.client("events")
SECRETS = boto3.client("secretsmanager")
ZENDESK = requests.Session()
LEASE_SECONDS = 60
SECRET_SECONDS = 300

known = {}


def handler(event, _context):
    failures = []
    for record in event["Records"]:
        try:
            perform(json.loads(record["body"])["detail"])
        except Exception as error:
            print(json.dumps({"level": "ERROR", "message": "task failed", "error": type(error).__name__}))
            failures.append({"itemIdentifier": record["messageId"]})
    return {"batchItemFailures": failures}


def perform(message):
    run, task = message["run_id"], message["task"]
    owner = str(uuid.uuid4())
    row = claim(run, task, owner)
    if row is None:
        return
    url, credentials = account(json.loads(row["document"])["account"])
    answer = ZENDESK.post(
        f"{url}/api/v2/tickets",
        json={"ticket": ticket(json.loads(row["input"]), f"{run}.{task}")},
        headers={"Idempotency-Key": f"{run}.{task}"},
        auth=credentials,
        timeout=20,
    )
    answer.raise_for_status()
    created = answer.json()["ticket"]
    end(run, task, owner, {"id": created["id"]})
    EVENTS.put_events(
        Entries=[
            {
                "EventBusName": os.environ["EVENT_BUS"],
                "Source": "closedloop.tasks",
                "DetailType": "task.succeeded",
                "Detail": json.dumps(message),
            }
        ]
    )
    print(json.dumps({"level": "INFO", "message": "task succeeded", "run": run, "task": task}))


def claim(run, task, owner):
    now = int(time.time() * 1000)
    try:
        answer = RUNS.update_item(
            Key={"pk": run, "sk": f"task#{task}"},
            UpdateExpression="SET #state = :running, lease_owner = :owner, lease_until = :until",
            ConditionExpression="#state = :requested OR (#state = :running AND lease_until < :now)",
            ExpressionAttributeNames={"#state": "state"},
            ExpressionAttributeValues={
                ":running": "running",
                ":requested": "requested",
                ":owner": owner,
                ":now": now,
                ":until": now + LEASE_SECONDS * 1000,
            },
            ReturnValues="ALL_NEW",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] == "ConditionalCheckFailedException":
            return None
        raise
    return answer["Attributes"]


def end(run, task, owner, output):
    RUNS.update_item(
        Key={"pk": run, "sk": f"task#{task}"},
        UpdateExpression="SET #state = :succeeded, #output = :output REMOVE lease_owner, lease_until",
        ConditionExpression="#state = :running AND lease_owner = :owner",
        ExpressionAttributeNames={"#state": "state", "#output": "output"},
        ExpressionAttributeValues={
            ":succeeded": "succeeded",
            ":running": "running",
            ":owner": owner,
            ":output": json.dumps(output),
        },
    )


def account(name):
    found, read_at = known.get(name, (None, 0))
    if time.monotonic() - read_at < SECRET_SECONDS and found:
        return found
    row = ACCOUNTS.get_item(Key={"name": name}, ConsistentRead=True)["Item"]
    secret = json.loads(SECRETS.get_secret_value(SecretId=row["secret"])["SecretString"])
    url = os.environ["ZENDESK_URL"].replace("{subdomain}", row["instance"])
    found = url, (f"{secret['email']}/token", secret["token"])
    known[name] = found, time.monotonic()
    return found


def ticket(task_input, key):
    return {
        "subject": task_input["subject"],
        "comment": {"body": task_input["comment"], "public": task_input["public"]},
        "priority": task_input["priority"],
        "tags": task_input["tags"],
        "external_id": key,
    }
