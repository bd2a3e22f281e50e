"""Asks the emulator about a deployed stack; run by the Python that has boto3 (that of the SAM command line).

Prints {"api_url": ..., "variables": {"ingest": {...}, ...}} for the stack named by the first argument.
"""

import json
import os
import re
import sys

import boto3


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
    role = boto3.client("cloudformation").describe_stack_resource(StackName=stack, LogicalResourceId="ManagementApiRole")
    verbs = ["Create", "Delete", "Get", "Update"]
    statement = {
        "Effect": "Allow",
        "Action": [f"scheduler:{verb}Schedule" for verb in verbs],
        "Resource": "arn:aws:scheduler:*:*:schedule/default/*",
    }
    boto3.client("iam").put_role_policy(
        RoleName=role["StackResourceDetail"]["PhysicalResourceId"],
        PolicyName="emulator",
        PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [statement]}),
    )

    variables = {}
    for function in functions.list_functions()["Functions"]:
        logical_id = re.fullmatch(rf"{stack}-([A-Za-z]+)-[0-9A-F]+", function["FunctionName"])
        if logical_id:
            # The logical id is the crate's name in another spelling.
            name = logical_id.group(1).replace("ServiceNow", "Servicenow").replace("ManagementApi", "Api")
            name = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
            variables[name] = function["Environment"]["Variables"]

    # Path style: names below localhost are not resolved everywhere.
    json.dump({"api_url": f"{url}/_aws/execute-api/{api}/$default", "variables": variables}, sys.stdout)


main(sys.argv[1])
