"""Asks the emulator about a deployed stack; run by the Python that has boto3 (that of the SAM command line).

Prints {"api_url": ..., "variables": {"ingest": {...}, ...}} for the stack named by the first argument.
"""

import json
import os
import re
import sys

import boto3


def allow(stack, role, *permissions):
    """Adds to a role what only the emulator asks for."""
    found = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId=role)
    statements = [{"Effect": "Allow", "Action": actions, "Resource": resource} for actions, resource in permissions]
    boto3.client("iam").put_role_policy(
        RoleName=found["StackResourceDetail"]["PhysicalResourceId"],
        PolicyName="emulator",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": statements}),
    )


def main(stack):
    url = os.environ["AWS_ENDPOINT_URL"]
    outputs = boto3.client("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]["Outputs"]
    endpoint = next(output["OutputValue"] for output in outputs if output["OutputKey"] == "ApiUrl")
    api = endpoint.split("//")[1].split(".")[0]
    functions = boto3.client("lambda")

    # CloudFormation makes a number of a parameter; the emulator leaves it a text, on which its queues stumble.
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        concurrency = int(mapping["ScalingConfig"]["MaximumConcurrency"])
        functions.update_event_source_mapping(
            UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": concurrency}
        )

    # Of every schedule its check of rights believes that it is in the group `default`.
    verbs = ["Create", "Delete", "Get", "Update"]
    of_default = ([f"scheduler:{verb}Schedule" for verb in verbs], "arn:aws:scheduler:*:*:schedule/default/*")
    allow(stack, "WorkflowsApiRole", of_default)
    # It knows neither the identity nor the sender of an e-mail.
    allow(stack, "TeamViewerApiRole", (["ses:SendEmail"], "*"))
    # AWS knows one permission for hiding one message and for hiding several.
    allow(stack, "TeamViewerConnectionsRole", (["sqs:ChangeMessageVisibilityBatch"], "*"))
    # What an administrator does in Amazon SES: who sends, and leave to send to anybody.
    mail = boto3.client("sesv2")
    mail.create_email_identity(EmailIdentity="support@example.com")
    mail.put_account_details(MailType="TRANSACTIONAL", WebsiteURL="https://example.com", ProductionAccessEnabled=True)

    variables = {}
    for function in functions.list_functions()["Functions"]:
        logical_id = re.fullmatch(rf"{stack}-([A-Za-z]+)-[0-9A-F]+", function["FunctionName"])
        if logical_id:
            # The logical id is the crate's name in another spelling.
            name = logical_id.group(1).replace("ServiceNow", "Servicenow").replace("TeamViewer", "Teamviewer")
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
            variables[name] = function["Environment"]["Variables"]

    # Path style: names below localhost are not resolved everywhere.
    json.dump({"api_url": f"{url}/_aws/execute-api/{api}/$default", "variables": variables}, sys.stdout)


main(sys.argv[1])
