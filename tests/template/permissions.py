"""Every permission that the stacks give, against the list in permissions.txt; --print writes the list as it would be."""

import json
import sys
from pathlib import Path

from samcli.yamlhelper import yaml_parse

import expand

FOLDER = Path(__file__).resolve().parent


def plain(value):
    """One word for a resource or principal: a reference in the notation of Fn::Sub."""
    if isinstance(value, dict) and len(value) == 1:
        ((kind, of),) = value.items()
        if kind == "Ref":
            return "${" + of + "}"
        if kind == "Fn::GetAtt":
            return "${" + (of if isinstance(of, str) else ".".join(of)) + "}"
        if kind == "Fn::Sub":
            return of
        if kind in ("AWS", "Service", "Federated") and isinstance(of, (str, dict)):
            return f"{kind.lower()}:{plain(of)}"
    return value if isinstance(value, str) else json.dumps(value, sort_keys=True)


def many(value):
    return value if isinstance(value, list) else [value]


def statements(who, document):
    for statement in many(document["Statement"]):
        condition = statement.get("Condition", {})
        limits = [
            f"{operator} {key}={plain(wanted)}"
            for operator, pairs in sorted(condition.items())
            for key, wanted in sorted(pairs.items())
        ]
        # NotAction, NotResource and NotPrincipal allow what nobody has listed.
        odd = set(statement) - {"Sid", "Effect", "Action", "Resource", "Principal", "Condition"}
        if odd:
            raise SystemExit(f"{who}: a statement with {', '.join(sorted(odd))} is not a list of what is allowed")
        # A trust names no resource, a role's policy no principal, a bucket's policy both.
        by = [f"by {plain(principal)}" for principal in many(statement.get("Principal", []))]
        for action in many(statement["Action"]):
            for resource in many(statement.get("Resource", [])) or [""]:
                parts = [who, f"{statement['Effect']} {action}", *by, plain(resource), ", ".join(limits)]
                yield " | ".join(part for part in parts if part)


def given(resources):
    """The permissions of a template's resources, each a line of the list."""
    for name, resource in resources.items():
        kind, properties = resource["Type"], resource["Properties"]
        if kind == "AWS::IAM::Role":
            yield from statements(f"{name} is assumed", properties["AssumeRolePolicyDocument"])
            for policy in properties.get("Policies", []):
                yield from statements(name, policy["PolicyDocument"])
            for arn in properties.get("ManagedPolicyArns", []):
                yield f"{name} | managed policy {plain(arn)}"
        elif kind in ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy", "AWS::S3::BucketPolicy"):
            yield from statements(name, properties["PolicyDocument"])
        elif kind == "AWS::Lambda::Permission":
            limits = {key: value for key, value in properties.items() if key not in ("Action", "FunctionName", "Principal")}
            limit = ", ".join(f"{key}={plain(value)}" for key, value in sorted(limits.items()))
            on = plain(properties["FunctionName"])
            yield f"{name} | Allow {properties['Action']} | by {properties['Principal']} | {on} | {limit}"
        elif kind.startswith("AWS::IAM::") and kind != "AWS::IAM::OIDCProvider":
            raise SystemExit(f"{name}: tests/template/permissions.py cannot read {kind}")


def main():
    found = set()
    for auth_type in ("AWS_IAM", "NONE"):
        for tracing in ("Active", "PassThrough"):
            parameters = {"AuthType": auth_type, "Tracing": tracing, "ModelRepositories": "${ModelRepositories}"}
            found |= set(given(expand.resolved(parameters)["Resources"]))
    for bootstrap in sorted((expand.ROOT / ".github").glob("bootstrap*.yaml")):
        found |= set(given(yaml_parse(bootstrap.read_text())["Resources"]))
    if "--print" in sys.argv:
        print("\n".join(sorted(found)))
        return
    lines = (FOLDER / "permissions.txt").read_text().splitlines()
    listed = {line for line in lines if line and not line.startswith("#")}
    faults = [f"allowed, and not in the list: {line}" for line in sorted(found - listed)]
    faults += [f"in the list, and not allowed: {line}" for line in sorted(listed - found)]
    if faults:
        raise SystemExit("\n".join(faults))
    print(f"permissions: {len(found)}, all in the list")


main()
