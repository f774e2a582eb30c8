"""Reads a JUnit report of two passed tests, health and specs, with a reader that others use."""

import sys

from junitparser import JUnitXml, Skipped

report = JUnitXml.fromfile(sys.argv[1])
suites = {suite.name: list(suite) for suite in report}
assert list(suites) == ["health", "specs"], suites
cases = [case for suite in suites.values() for case in suite]
assert report.tests == len(cases) > 15, (report.tests, len(cases))
assert report.failures == report.errors == 0, "a run that passed has failures"
names = [case.name for case in suites["health"]]
for name in ["verdict", "http_req_failed rate < 1 %", "check status is 200"]:
    assert name in names, names
for case in cases:
    assert case.classname.startswith("smoke.") and case.name, case
    assert all(isinstance(result, Skipped) for result in case.result), case.result
print(f"{report.tests} cases in {len(suites)} suites")
