"""template.yaml as AWS would run it: expanded by SAM's own translator, with parameters, conditions and mappings resolved."""

import copy
import logging
import os
from pathlib import Path

import boto3
from samcli.yamlhelper import yaml_parse
from samtranslator.parser.parser import Parser
from samtranslator.translator.translator import Translator

# The translator warns of switches and metrics of its own service.
logging.getLogger("samtranslator").setLevel(logging.ERROR)

ROOT = Path(__file__).resolve().parents[2]
ABSENT = object()


def template():
    return yaml_parse((ROOT / "template.yaml").read_text())


def stage(name):
    """The parameters of a stage, as samconfig.toml names them."""
    return {key: str(value) for key, value in yaml_parse((ROOT / f"stages/{name}.yaml").read_text()).items()}


def expanded(parameters, code="s3://artefacts/twofold/0123456789abcdef"):
    """The template without SAM's resources; parameters are still references, as CloudFormation gets it."""
    source = template()
    unknown = set(parameters) - set(source["Parameters"])
    if unknown:
        raise SystemExit(f"template.yaml has no parameter {', '.join(sorted(unknown))}")
    source["Resources"]["Function"]["Properties"]["CodeUri"] = code
    # The translator asks for a region, and for credentials of any kind; it calls nobody.
    session = boto3.Session("none", "none", region_name="us-east-1")
    translator = Translator(managed_policy_map={}, sam_parser=Parser(), boto_session=session)
    return translator.translate(source, dict(parameters))


def resolved(parameters):
    """What CloudFormation would make of it: resources and outputs, without those whose condition does not hold."""
    whole = expanded(parameters)
    values = {name: given.get("Default") for name, given in whole["Parameters"].items()} | parameters
    resolve = Resolver(values, whole["Mappings"], whole["Conditions"])
    parts = {}
    for part in ("Resources", "Outputs"):
        parts[part] = {}
        for name, entry in whole[part].items():
            entry = dict(entry)
            condition = entry.pop("Condition", None)
            if condition is None or resolve.condition(condition):
                parts[part][name] = resolve.value(entry)
    return parts


class Resolver:
    """Knows parameters, conditions and mappings. What only AWS knows (ARNs, pseudo parameters) stays a reference."""

    def __init__(self, parameters, mappings, conditions):
        self.parameters, self.mappings, self.conditions = parameters, mappings, conditions

    def condition(self, name):
        return self.truth(self.conditions[name])

    def truth(self, condition):
        ((kind, of),) = condition.items()
        if kind == "Fn::Equals":
            return self.value(of[0]) == self.value(of[1])
        if kind == "Fn::Not":
            return not self.truth(of[0])
        raise SystemExit(f"tests/template/expand.py does not know {kind} in a condition")

    def value(self, value):
        if isinstance(value, list):
            return [item for item in map(self.value, value) if item is not ABSENT]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((kind, of),) = value.items()
            if kind == "Ref" and of == "AWS::NoValue":
                return ABSENT
            if kind == "Ref" and of in self.parameters:
                return self.parameters[of]
            if kind == "Fn::If":
                return self.value(of[1] if self.condition(of[0]) else of[2])
            if kind == "Fn::FindInMap":
                table, row, column = map(self.value, of)
                return self.mappings[table][row][column]
            if kind == "Fn::Sub":
                return self.substituted(of)
            if kind == "Fn::Join":
                # A list parameter is given as CloudFormation takes it, in one text.
                separator, parts = of[0], self.value(of[1])
                return parts.replace(",", separator) if isinstance(parts, str) else separator.join(parts)
        pairs = {key: self.value(item) for key, item in value.items()}
        return {key: item for key, item in pairs.items() if item is not ABSENT}

    def substituted(self, of):
        text, names = (of, {}) if isinstance(of, str) else copy.deepcopy(of)
        for name, given in (self.parameters | names).items():
            if not isinstance(given, dict):
                text = text.replace("${" + name + "}", str(given))
        return {"Fn::Sub": text} if "${" in text else text


def version_id(resources):
    """The logical id of the published version: SAM puts a hash into it."""
    (name,) = [name for name, resource in resources.items() if resource["Type"] == "AWS::Lambda::Version"]
    return name


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
