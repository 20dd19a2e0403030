"""Checks the files in packaging/ against the schemas of the programs that read them.

    pip install kubernetes-validate check-jsonschema botocore pyyaml
    python3 tests/recipes/check.py

Kubernetes: the schema of the API, and the rules that the schema does not have. AWS: the models that its command line uses. GitHub: the
published schema of workflows. SLURM: the script runs against a stand-in for each exit code.
"""
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import botocore.session
import botocore.validate
import kubernetes_validate
import yaml

PACKAGING = pathlib.Path(__file__).resolve().parents[2] / "packaging"
VERSIONS = ["1.29", "1.33"]
# What each exit code of the program does to a pod's index, and to a job that has no indexes.
ACTIONS = {"Indexed": {1: "FailIndex", 2: "FailJob", 3: "FailIndex", 143: "Ignore"},
           "NonIndexed": {1: "FailJob", 2: "FailJob", 3: "FailJob", 143: "Ignore"}}


def check(condition, *message):
    if not condition:
        sys.exit(" ".join(str(part) for part in message))


def check_job(name, job):
    """The rules that the API server adds to the schema, and the exit codes of the contract."""
    pod = job["template"]["spec"]
    [container] = pod["containers"]
    context = container["securityContext"]
    check(pod["securityContext"]["runAsNonRoot"] and context["readOnlyRootFilesystem"], name, "runs as root or writes its root")
    check(not context["allowPrivilegeEscalation"] and context["capabilities"]["drop"] == ["ALL"], name, "has capabilities")
    mounts = {mount["name"] for mount in container["volumeMounts"]}
    check(mounts == {volume["name"] for volume in pod["volumes"]}, name, "volumes and mounts differ")
    if "podFailurePolicy" not in job:
        return
    check(pod["restartPolicy"] == "Never", name, "a failure policy needs restartPolicy: Never")
    mode = job.get("completionMode", "NonIndexed")
    found = {}
    for rule in job["podFailurePolicy"]["rules"]:
        check(rule["action"] != "FailIndex" or "backoffLimitPerIndex" in job, name, "FailIndex needs backoffLimitPerIndex")
        codes = rule.get("onExitCodes", {})
        check(codes.get("containerName", container["name"]) == container["name"], name, "names another container")
        values = codes.get("values", [])
        check(values == sorted(values), name, "exit codes must be in order")
        found.update({code: rule["action"] for code in values})
    check(found == ACTIONS[mode], name, "maps exit codes to", found)
    if mode == "Indexed":
        check(f"auto/{job['completions']}" in container["args"], name, "the total of --shard is not `completions`")


def check_kubernetes():
    for path in sorted(PACKAGING.glob("kubernetes-*.yaml")):
        for document in yaml.safe_load_all(path.read_text()):
            for version in VERSIONS:
                kubernetes_validate.validate(document, version, strict=True)
            spec = document["spec"]
            check_job(path.name, spec["jobTemplate"]["spec"] if document["kind"] == "CronJob" else spec)


def check_aws():
    session = botocore.session.get_session()

    def validate(service, operation, parameters):
        shape = session.get_service_model(service).operation_model(operation).input_shape
        report = botocore.validate.ParamValidator().validate(parameters, shape)
        check(not report.has_errors(), operation, report.generate_report())

    job = json.loads((PACKAGING / "aws-batch-job-definition.json").read_text())
    validate("batch", "RegisterJobDefinition", job)
    rules = [rule for rule in job["retryStrategy"]["evaluateOnExit"] if "onExitCode" in rule]
    actions = {rule["onExitCode"]: rule["action"] for rule in rules}
    check(actions == {"143": "RETRY", "137": "RETRY", "1": "EXIT", "2": "EXIT", "3": "EXIT"}, "AWS Batch maps exit codes to", actions)
    mounted = {mount["sourceVolume"] for mount in job["containerProperties"]["mountPoints"]}
    check(mounted == {volume["name"] for volume in job["containerProperties"]["volumes"]}, "AWS Batch: volumes and mounts differ")
    lifecycle = json.loads((PACKAGING / "aws-lifecycle.json").read_text())
    validate("s3", "PutBucketLifecycleConfiguration", {"Bucket": "bucket", "LifecycleConfiguration": lifecycle})
    policy = json.loads((PACKAGING / "aws-policy.json").read_text())
    validate("iam", "CreatePolicy", {"PolicyName": "yescale", "PolicyDocument": json.dumps(policy)})


def check_github():
    path = PACKAGING / "github-matrix.yml"
    program = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.github-workflows", str(path)]
    check(subprocess.run(program).returncode == 0, path.name)
    job = yaml.safe_load(path.read_text())["jobs"]["archive"]
    script = job["steps"][-1]["run"].replace("./yescale-dl", "yescale-dl")
    for code, expected in {0: 0, 1: 1, 2: 2, 3: 0, 143: 143}.items():
        got, _ = run_script(script, {"yescale-dl": f"exit {code}"}, {"SHARD": "1/4", "RUNNER_TEMP": "/tmp"})
        check(got == expected, "GitHub: the program's", code, "becomes", got)


def check_slurm():
    script = (PACKAGING / "slurm-array.sh").read_text()
    for code, expected in {0: "", 1: "", 2: "scancel 7", 3: "", 137: "", 143: "scontrol requeue 9"}.items():
        tools = {"srun": f"exit {code}", "scancel": 'echo scancel "$@"', "scontrol": 'echo scontrol "$@"'}
        got, output = run_script(script, tools, {"SLURM_ARRAY_JOB_ID": "7", "SLURM_JOB_ID": "9"})
        check((got, output.strip()) == (code, expected), "SLURM: the program's", code, "becomes", got, output)


def run_script(script, tools, environment):
    """Runs a shell script with stand-ins for programs. Returns its exit code and output."""
    with tempfile.TemporaryDirectory() as folder:
        for name, body in tools.items():
            path = pathlib.Path(folder, name)
            path.write_text(f"#!/bin/sh\n{body}\n")
            path.chmod(0o755)
        path = f"{folder}{os.pathsep}{os.environ['PATH']}"
        run = subprocess.run(["sh", "-e" if "code=0" in script else "-u", "-c", script], capture_output=True, text=True,
                             env={"PATH": path, **environment})
        return run.returncode, run.stdout


if __name__ == "__main__":
    check_kubernetes()
    check_aws()
    check_github()
    check_slurm()
    print("the recipes are valid")
