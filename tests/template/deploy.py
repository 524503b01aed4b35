"""Deploys the expanded template, with the artefact that was built, into moto's AWS: function, roles, version, log group.

moto knows no alias, alarm or CodeDeploy by CloudFormation, so no URL on an alias either, and runs no function: those only AWS can show.
"""

import ast
import base64
import hashlib
import io
import json
import sys
import zipfile
from pathlib import Path

import boto3
from moto import mock_aws

import expand

STACK = "twofold-staging"
# With one, since moto does not take AWS::NoValue out of a list, as the role's policies would be without.
REPOSITORY = "arn:aws:ecr:us-east-1:123456789012:repository/models/iris"
UNKNOWN = (
    "AWS::CloudWatch::Alarm",
    "AWS::CodeDeploy::Application",
    "AWS::CodeDeploy::DeploymentGroup",
    "AWS::Lambda::Alias",
)


def zipped(bootstrap):
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        # The same bytes for the same binary: no clock.
        entry = zipfile.ZipInfo("bootstrap", (1980, 1, 1, 0, 0, 0))
        entry.external_attr = 0o755 << 16
        archive.writestr(entry, bootstrap.read_bytes(), zipfile.ZIP_DEFLATED)
    return file.getvalue()


def leave_out(template):
    """Takes away what moto does not know, and whatever refers to it."""
    resources, out = template["Resources"], []
    while True:
        gone = [name for name, one in resources.items() if one["Type"] in UNKNOWN or any(map(refers_to(one), out))]
        if not gone:
            break
        for name in gone:
            del resources[name]
        out += gone
    for name in [name for name, one in template["Outputs"].items() if any(map(refers_to(one), out))]:
        del template["Outputs"][name]
    return out


def refers_to(entry):
    text = json.dumps(entry)
    return lambda name: any(form in text for form in (f'"Ref": "{name}"', f'"Fn::GetAtt": ["{name}"', "${" + name + "."))


def equal(what, seen, wanted):
    if seen != wanted:
        raise SystemExit(f"{what} is {seen!r}, and should be {wanted!r}")


def main():
    code = zipped(Path(sys.argv[1]))
    with mock_aws(config={"lambda": {"use_docker": False}}):
        s3 = boto3.client("s3")
        s3.create_bucket(Bucket="artefacts")
        s3.put_object(Bucket="artefacts", Key="twofold/code.zip", Body=code)
        boto3.client("iam").create_policy(
            PolicyName="twofold-boundary",
            PolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": {"Effect": "Deny", "Action": "*", "Resource": "*"}}),
        )
        parameters = expand.stage("staging") | {
            "Release": "0123456789abcdef",
            "Architecture": "x86_64",
            "ModelRepositories": REPOSITORY,
        }
        template = expand.expanded(parameters, "s3://artefacts/twofold/code.zip")
        left_out = leave_out(template)
        boto3.client("cloudformation").create_stack(
            StackName=STACK,
            TemplateBody=json.dumps(template),
            Parameters=[{"ParameterKey": key, "ParameterValue": value} for key, value in parameters.items()],
            Capabilities=["CAPABILITY_IAM"],
        )
        check(code)
        print(f"moto: {len(code)} bytes of code deployed; function, roles, version 1 and log group are as wanted")
        print(f"moto: left out, since it knows no {', no '.join(UNKNOWN)}: {', '.join(left_out)}")


def check(code):
    functions = boto3.client("lambda")
    function = functions.get_function(FunctionName=STACK)["Configuration"]
    equal("the runtime", function["Runtime"], "provided.al2023")
    equal("the architecture", function["Architectures"], ["x86_64"])
    equal("the memory", function["MemorySize"], 512)
    equal("the size of the code", function["CodeSize"], len(code))
    digest = hashlib.sha256(code).digest()
    equal("the digest of the code", function["CodeSha256"], base64.b64encode(digest).decode())
    settings = function["Environment"]["Variables"]
    equal("the models", settings["TWOFOLD_MODELS"], "embedded:digits")
    equal("the log's level", settings["TWOFOLD_LOG"], "debug")
    deadline = int(settings["TWOFOLD_DEADLINE"].removesuffix("s"))
    if not deadline < function["Timeout"]:
        raise SystemExit(f"Lambda ends a request after {function['Timeout']} s, the function only after {deadline} s")

    iam = boto3.client("iam")
    name = function["Role"].rsplit("/", 1)[1]
    role = iam.get_role(RoleName=name)["Role"]
    equal("the boundary", role["PermissionsBoundary"]["PermissionsBoundaryArn"].rsplit("/", 1)[1], "twofold-boundary")
    equal("the role's policies", iam.list_role_policies(RoleName=name)["PolicyNames"], ["log", "pull"])
    pull = iam.get_role_policy(RoleName=name, PolicyName="pull")["PolicyDocument"]
    # moto keeps what it is given by CloudFormation as Python prints it.
    pull = ast.literal_eval(pull)["Statement"]
    equal(
        "what may be pulled",
        [(statement["Action"], statement["Resource"]) for statement in pull],
        [
            ("ecr:GetAuthorizationToken", "*"),
            (["ecr:BatchGetImage", "ecr:GetDownloadUrlForLayer"], [REPOSITORY]),
        ],
    )

    versions = functions.list_versions_by_function(FunctionName=STACK)["Versions"]
    equal("the versions", [version["Version"] for version in versions], ["$LATEST", "1"])
    (group,) = boto3.client("logs").describe_log_groups()["logGroups"]
    equal("the log group", (group["logGroupName"], group["retentionInDays"]), (f"/aws/lambda/{STACK}", 7))


main()
