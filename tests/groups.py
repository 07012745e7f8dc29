# SPDX-License-Identifier: GPL-2.0
"""The groups of ./test: what each builds and how its tests are found and run."""
import concurrent.futures
import glob
import os
import re
import subprocess
import time
import xml.etree.ElementTree

import style_checks

JOBS = "2"
FUZZ_SECONDS = 10
SCRIPT_TIMEOUT = 1200  # seconds for one payload or system test; a hung guest must not hang the rest


def _cmake(preset):
    return ["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "-j", JOBS]


def build_all(report):
    """Programs, driver and grafts: what the lab installs."""
    ok = report.build("release", *_cmake("release"))
    for script in ("tools/build-driver", "tools/build-grafts"):
        if os.path.exists(script):
            ok = report.build(os.path.basename(script).removeprefix("build-"), [script]) and ok
    return ok


def style(report):
    for name, check in style_checks.CHECKS.items():
        if report.wants("style " + name):
            found = check()
            with open(report.log_path("style-" + name), "w") as log:
                log.write("\n".join(found))
            report.result("style " + name, not found, log=log.name)


CTEST_RESULT = re.compile(r"\s*\d+/\d+ Test\s+#\d+: (.*?) \.\.\.+(\*\*\*| +)(\w[\w ()]*?) +([\d.]+) sec")


def unit(report):
    """GoogleTest programs under AddressSanitizer and UBSan, by ctest; those that fail are shown at the end."""
    if not report.build("sanitize", *_cmake("sanitize")):
        return
    results = os.path.abspath(report.log_path("unit")).removesuffix(".log") + ".xml"
    command = ["ctest", "--test-dir", "build/sanitize", "-j", JOBS, "--timeout", "120", "--output-junit", results]
    if report.name_filter:
        command += ["-R", re.escape(report.name_filter)]
    kernels = subprocess.run(["tools/test-kernels"], stdout=subprocess.PIPE, text=True).stdout.strip()
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env={**os.environ, "COLINUX_TEST_KERNELS": kernels})
    for text in process.stdout:
        found = CTEST_RESULT.match(text)
        if found and found[3] == "Passed":
            report.result(_unit_name(found[1]), True, float(found[4]))
    process.wait()
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        name, status = _unit_name(case.get("name")), case.get("status")
        if status == "notrun":
            report.say(f"skipped {name}")
        elif status != "run":
            with open(report.log_path(name), "w") as log:
                log.write(case.findtext("system-out") or status)
            report.result(name, False, float(case.get("time")), log.name)


def _unit_name(name):
    return "unit " + re.sub(r" +# GetParam.*", "", name)


def fuzz(report):
    if not report.build("fuzz", *_cmake("fuzz")):
        return
    for target in sorted(glob.glob("build/fuzz/tests/fuzz/fuzz_*")):
        name = os.path.basename(target)
        if os.access(target, os.X_OK) and os.path.isfile(target) and report.wants("fuzz " + name):
            corpus = os.path.join("build", "fuzz-corpus", name)
            os.makedirs(corpus, exist_ok=True)
            seeds = [folder for folder in (os.path.join("tests/fuzz/corpus", name),) if os.path.isdir(folder)]
            report.run("fuzz " + name, [target, f"-max_total_time={FUZZ_SECONDS}", "-timeout=10", f"-artifact_prefix=build/test-logs/{name}-",
                                        corpus, *seeds], FUZZ_SECONDS + 60)


def _scripts(report, group, folder):
    tests = [path for path in sorted(glob.glob(f"tests/{folder}/*.test")) if report.wants(f"{group} {os.path.basename(path)[:-5]}")]
    if not tests or not build_all(report):
        return
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        began = time.monotonic()
        running = [pool.submit(report.run, f"{group} {os.path.basename(path)[:-5]}", [os.path.abspath(path)], SCRIPT_TIMEOUT) for path in tests]
        concurrent.futures.wait(running)
        report.say(f"{group}: {len(tests)} tests in {time.monotonic() - began:.0f} s")


def payload(report):
    """Tiny guests on the bare driver."""
    _scripts(report, "payload", "payloads")


def system(report):
    """Everything together, in the lab."""
    _scripts(report, "system", "system")
