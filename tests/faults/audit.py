"""Asks the network whether the pinned dependencies have known vulnerabilities.

    python tests/faults/audit.py

Ends with 0 if all were asked about and none has one, 1 if one has, 3 if not all could be asked.
"""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SERVICES = ("pypi", "osv")
"""Both are asked in turn until one knows all packages; pip-audit takes one at a time."""
COULD_NOT = 3


def asked(service: str) -> tuple[list[dict[str, object]], str]:
    """What the service says of each pin; and why not, where it says nothing."""
    command = [sys.executable, "-m", "pip_audit", "--requirement", str(ROOT / "constraints.txt")]
    command += ["--no-deps", "--disable-pip", "--progress-spinner", "off"]
    command += ["--vulnerability-service", service, "--format", "json"]
    done = subprocess.run(command, capture_output=True, text=True)
    try:
        return json.loads(done.stdout)["dependencies"], ""
    except (ValueError, KeyError):
        lines = done.stderr.strip().splitlines() or ["pip-audit said nothing"]
        return [], lines[-1]


def main() -> int:
    """Prints what was found; the exit code."""
    reasons = []
    for service in SERVICES:
        found, reason = asked(service)
        unknown = [str(entry["name"]) for entry in found if "vulns" not in entry]
        weak = [entry for entry in found if entry.get("vulns")]
        for entry in weak:
            for known in entry["vulns"]:
                fixed = ", ".join(known["fix_versions"]) or "in no version yet"
                print(f"{entry['name']} {entry['version']}: {known['id']}; fixed: {fixed}")
        if weak:
            print(f"{len(weak)} of {len(found)} pinned packages have known vulnerabilities")
            return 1
        if found and not unknown:
            print(f"{len(found)} pinned packages, none with a known vulnerability ({service})")
            return 0
        what = f"{len(unknown)} of {len(found)} packages are not known to it" if found else reason
        reasons.append(f"  {service}: {what[:300]}")
    print("NOT CHECKED: no service could be asked about all pinned packages", *reasons, sep="\n")
    print("give it a network that reaches one of these services, and try again")
    return COULD_NOT


if __name__ == "__main__":
    sys.exit(main())
