#!/usr/bin/env python3
"""Writes THIRD-PARTY.txt: every crate that is in the program for one target, with its licence and the texts that it must be sent with.

    python3 packaging/third-party.py TARGET OUT

The crates are those of `cargo metadata` that the program links, without what only builds or tests need. Which licences are allowed is
checked by `cargo deny` (.deny.toml), not here. A crate without a licence is an error. A crate that brings no text is named: it has the
licence of others.
"""
import collections
import json
import pathlib
import re
import subprocess
import sys

# Names of files with a licence, or with a notice that must go along.
TEXTS = re.compile(r"^(licen[cs]e|copying|notice|unlicense|copyright)", re.IGNORECASE)
RULE = "=" * 100


def linked_packages(target):
    """The packages in the program, by name and version. Its own is not among them."""
    command = ["cargo", "metadata", "--format-version", "1", "--locked", "--filter-platform", target]
    metadata = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE).stdout)
    packages = {package["id"]: package for package in metadata["packages"]}
    nodes = {node["id"]: node for node in metadata["resolve"]["nodes"]}
    root = metadata["resolve"]["root"]
    found, waiting = set(), [root]
    while waiting:
        for dependency in nodes[waiting.pop()]["deps"]:
            is_linked = any(kind["kind"] is None for kind in dependency["dep_kinds"])
            if is_linked and dependency["pkg"] not in found and not is_macro(packages[dependency["pkg"]]):
                found.add(dependency["pkg"])
                waiting.append(dependency["pkg"])
    return sorted((packages[found_id] for found_id in found - {root}), key=lambda package: (package["name"], package["version"]))


def is_macro(package):
    """A macro runs in the compiler, and is not in the program."""
    return any("proc-macro" in target["kind"] for target in package["targets"])


def source(package):
    """Where its source is, which some licences want said."""
    return package["repository"] or package["homepage"] or "in the registry of Rust's package manager, under its name"


def texts(package):
    """The licence texts of a package, without the repetitions that differ only in blanks."""
    folder = pathlib.Path(package["manifest_path"]).parent
    files = sorted(path for path in folder.iterdir() if TEXTS.match(path.name) and path.is_file())
    files += [folder / package["license_file"]] if package["license_file"] and not files else []
    # AWS-LC, which a crate contains as source, has its licence below.
    files += sorted(path for path in folder.glob("aws-lc/LICENSE*") if path.is_file())
    return {re.sub(r"\s+", " ", text): text for text in (path.read_text(errors="replace").strip() for path in files)}


def main():
    target, out = sys.argv[1:]
    packages = linked_packages(target)
    owners, originals, bare = collections.defaultdict(list), {}, []
    lines = ["The crates in this program, their licences, and where their sources are.", ""]
    for package in packages:
        name = f"{package['name']} {package['version']}"
        licence = package["license"] or (package["license_file"] and "see its text below")
        if not licence:
            sys.exit(f"{name} has no licence")
        own = texts(package)
        if not own:
            bare.append(name)
        for key, text in own.items():
            owners[key].append(name)
            originals.setdefault(key, text)
        lines.append(f"{name}: {licence}; {source(package)}")
    if bare:
        lines += ["", f"Without a text of their own; other crates have the same licences below: {', '.join(bare)}."]
    for key, names in sorted(owners.items(), key=lambda item: item[1]):
        lines += ["", RULE, ", ".join(names), RULE, "", originals[key]]
    pathlib.Path(out).write_text("\n".join(lines) + "\n")
    print(f"{len(packages)} crates, {len(originals)} texts, {len(bare)} without")


main()
