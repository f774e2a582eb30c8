#!/usr/bin/env python3
"""Stands in for `gh` in a workflow: keeps runs, artifacts and issues in $GH_HOME, and refuses what GitHub would refuse.

$GH_PERMISSIONS has the job's permissions as JSON. Whatever is not asked for by the workflows is not known here.
"""

import json
import os
import re
import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

HOME = Path(os.environ["GH_HOME"])
STATE = HOME / "state.json"
REPOSITORY = os.environ["GITHUB_REPOSITORY"]
RUN_FIELDS = {"databaseId", "displayTitle", "headSha"}


def refuse(why, code=1):
    print(why, file=sys.stderr)
    sys.exit(code)


def may(scope, wanted):
    rights = ["none", "read", "write"]
    granted = json.loads(os.environ.get("GH_PERMISSIONS", "{}")).get(scope, "none")
    if rights.index(granted) < rights.index(wanted):
        refuse(f"HTTP 403: Resource not accessible by integration ({scope}: {wanted})")


def options(words, valued, flags=()):
    given, rest = {}, []
    words = iter(words)
    for word in words:
        if word in valued:
            given[word] = next(words, None) or refuse(f"flag needs an argument: {word}")
        elif word in flags:
            given[word] = True
        elif word.startswith("-"):
            refuse(f"unknown flag: {word}")
        else:
            rest.append(word)
    return given, rest


def run_list(words):
    flags = ("--repo", "--workflow", "--branch", "--event", "--status", "--limit", "--json", "--jq")
    given, rest = options(words, flags)
    may("actions", "read")
    fields = given["--json"].split(",")
    unknown = set(fields) - RUN_FIELDS
    if rest or unknown or given["--repo"] != REPOSITORY:
        refuse(f"unknown: {rest} {unknown} {given['--repo']}")
    runs = [
        {field: run[field] for field in fields}
        for run in json.loads(STATE.read_text())["runs"]
        if run["workflow"] == given["--workflow"]
        and run["headBranch"] == given["--branch"]
        and given.get("--event", run["event"]) == run["event"]
        and given.get("--status", run["conclusion"]) == run["conclusion"]
    ]
    text = json.dumps(runs[: int(given["--limit"])])
    if "--jq" in given:
        text = subprocess.run(["jq", "-r", given["--jq"]], input=text, text=True, check=True, stdout=-1).stdout
    sys.stdout.write(text)


def run_download(words):
    given, rest = options(words, ("--repo", "--name", "--pattern", "--dir"))
    may("actions", "read")
    (run,) = rest
    if given["--repo"] != REPOSITORY:
        refuse("HTTP 404: Not Found")
    names = sorted(path.name for path in (HOME / "artifacts" / run).glob("*"))
    if "--name" in given:
        found = [name for name in names if name == given["--name"]]
    else:
        found = [name for name in names if fnmatch(name, given["--pattern"])]
    if not found:
        refuse("no valid artifacts found to download")
    for name in found:
        source = HOME / "artifacts" / run / name
        target = Path(given["--dir"]) / ("" if "--name" in given else name)
        for path in (path for path in source.rglob("*") if path.is_file()):
            place = target / path.relative_to(source)
            if place.exists():
                refuse(f"error extracting zip archive: open {place}: file exists")
            place.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, place)


def invalid(field, why):
    refuse(f"HTTP 422: Validation Failed ({field}: {why})")


def checked(given, known):
    for field, value in given.items():
        if field not in known:
            invalid(field, "is not known")
        if field == "body" and len(value) > 65536:
            invalid(field, "is too long (maximum is 65536 characters)")
        if field == "title" and not 0 < len(value) <= 256:
            invalid(field, "is too long or empty")
        if field == "state" and value not in ("open", "closed"):
            invalid(field, value)
    return given


def api(words):
    given, rest = options(words, ("--method", "--input"), ("--paginate", "--silent"))
    (address,) = rest
    method = given.get("--method", "POST" if "--input" in given else "GET")
    place = urlsplit(address)
    at = re.fullmatch(rf"repos/{re.escape(REPOSITORY)}/issues(?:/(\d+)(/comments)?)?", place.path)
    if not at:
        refuse(f"HTTP 404: Not Found ({address})")
    may("issues", "read" if method == "GET" else "write")
    state = json.loads(STATE.read_text())
    if not state["has_issues"]:
        refuse("HTTP 410: Issues has been disabled in this repository.")
    issues = state["issues"]
    if at[1]:
        issue = next((one for one in issues if one["number"] == int(at[1])), None) or refuse("HTTP 404: Not Found")
    wanted = json.loads(Path(given["--input"]).read_text()) if "--input" in given else None
    match (method, at[1], at[2]):
        case ("GET", None, None):
            query = {name: values[0] for name, values in parse_qs(place.query).items()}
            if unknown := set(query) - {"state", "per_page"}:
                refuse(f"not known here: {unknown}")
            print(json.dumps([one for one in issues if query.get("state", "open") == one["state"]]))
            return
        case ("POST", None, None):
            if "title" not in checked(wanted, ("title", "body")):
                invalid("title", "is missing")
            number = 1 + max((one["number"] for one in issues), default=0)
            own = {"number": number, "state": "open", "user": {"login": "github-actions[bot]"}, "comments": []}
            issues.insert(0, wanted | own)
        case ("PATCH", _, None):
            issue.update(checked(wanted, ("title", "body", "state", "state_reason")))
        case ("POST", _, "/comments"):
            issue["comments"].append(checked(wanted, ("body",))["body"] or invalid("body", "is empty"))
        case _:
            refuse(f"HTTP 404: Not Found ({method} {address})")
    STATE.write_text(json.dumps(state, indent=1))
    if "--silent" not in given:
        print("{}")


def main():
    if not os.environ.get("GH_TOKEN"):
        refuse("gh: To use GitHub CLI in a GitHub Actions workflow, set the GH_TOKEN environment variable.", 4)
    match sys.argv[1:]:
        case ["run", "list", *words]:
            run_list(words)
        case ["run", "download", *words]:
            run_download(words)
        case ["api", *words]:
            api(words)
        case ["auth", "setup-git"]:
            may("contents", "write")
        case words:
            refuse(f"unknown command {words}")


main()
