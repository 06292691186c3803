"""Counts test cases in JUnit files: prints "N passed, N failed[, N skipped]" and fails when one failed, none passed, or a file is broken."""
import sys
import xml.etree.ElementTree as ET


def count(paths):
    passed = failed = skipped = 0
    for path in paths:
        try:
            root = ET.parse(path).getroot()
        except (OSError, ET.ParseError) as error:
            print(f"{path}: {error}")
            failed += 1
            continue
        for suite in root.iter("testsuite"):
            cases = suite.findall("testcase")
            bad = 0
            for case in cases:
                if case.find("failure") is not None or case.find("error") is not None:
                    bad += 1
                    print(f"FAILED {suite.get('name')}: {case.get('classname') or ''} {case.get('name')}")
                elif case.find("skipped") is not None:
                    skipped += 1
                    print(f"SKIPPED {suite.get('name')}: {case.get('name')}: {case.find('skipped').get('message')}")
                else:
                    passed += 1
            # a program that died after its last case has an error in the suite's own count
            whole = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
            if whole > bad:
                print(f"FAILED {suite.get('name')}: ended with an error")
            failed += max(whole, bad)
    return passed, failed, skipped


if __name__ == "__main__":
    passed, failed, skipped = count(sys.argv[1:])
    print(f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else ""))
    sys.exit(1 if failed or not passed else 0)
