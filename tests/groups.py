# SPDX-License-Identifier: GPL-2.0
"""The groups of ./test: what each builds and how its tests are found and run. Those in the lab are returned as jobs."""
import concurrent.futures
import functools
import glob
import os
import re
import subprocess
import time
import xml.etree.ElementTree

import report_checks
import style_checks

JOBS = "2"
FUZZ_RUNS = 100000  # as many for each target: what a seed finds is found again, on any machine
FUZZ_SECONDS = 60   # or so long, where an input is large
FUZZ_SEED = 1
FUZZ_TIMEOUT = 600
UNIT_TIMEOUT = 600  # for one test; the longest takes a few seconds

# Seconds for one payload or system test, ten times what the longest takes on a quiet machine. Its labs share them
# (COLINUX_TEST_SECONDS), so that the lab that hangs is the one that says so; what is left after that is killed.
SCRIPT_SECONDS = 1500
SECONDS_TO_TELL = 120

# Lab tests that take longest begin first, so that none is left over when the others are done
LONGEST = ("system hardware_trace", "system guest_power_off", "system try", "payload registers", "system one_cpu", "system guest_cpu_models",
           "system guest_kernels", "payload nmi_storm", "system guest_kill", "system two_guests", "system host_preemption", "system translated_code",
           "system guest_ends", "system guest_clock", "payload witness", "payload stuck", "system guest_idle", "system lab", "payload hello")


def _cmake(preset):
    return ["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "-j", JOBS]


def build_all(report):
    """Programs, driver and grafts: what the lab installs; and the lab's emulator."""
    ok = report.build("qemu", ["tools/qemu/build", "-j", JOBS]) and report.build("release", *_cmake("release"))
    for script in ("tools/build-driver", "tools/build-grafts"):
        ok = report.build(os.path.basename(script).removeprefix("build-"), [script]) and ok
    return ok


def _checks(report, group, checks):
    for name, check in checks.items():
        if report.wants(f"{group} {name}"):
            found = check()
            with open(report.log_path(f"{group}-{name}"), "w") as log:
                log.write("\n".join(found))
            report.result(f"{group} {name}", not found, log=log.name)


def style(report):
    """House rules, and this program's own."""
    _checks(report, "style", style_checks.CHECKS)
    _checks(report, "harness", report_checks.CHECKS)


CTEST_RESULT = re.compile(r"\s*\d+/\d+ Test\s+#\d+: (.*?) \.\.\.+(\*\*\*| +)(\w[\w ()]*?) +([\d.]+) sec")


def unit(report):
    """GoogleTest programs under AddressSanitizer and UBSan, by ctest; those that fail are shown at the end."""
    if not report.build("sanitize", *_cmake("sanitize")):
        return
    kernels = subprocess.run(["tools/test-kernels"], stdout=subprocess.PIPE, text=True).stdout.strip()
    again = []
    for name, ctest_name, status, seconds, said in _ctest(report, kernels, ["-R", re.escape(report.name_filter)] if report.name_filter else []):
        log = report.log_path(name)
        with open(log, "w") as file:
            file.write(said or status)
        if report.is_chance(log):
            again.append((name, ctest_name, seconds, log))
        else:
            report.result(name, False, seconds, log)
    for name, ctest_name, seconds, log in again:
        first = log.removesuffix(".log") + ".first.log"
        os.replace(log, first)
        report.note_flaky(name, first)
        for _, _, status, _, said in _ctest(report, kernels, ["-R", f"^{re.escape(ctest_name)}$"]):
            with open(log, "w") as file:
                file.write(said or status)
            report.flaky.remove((name, first))
            report.result(name, False, seconds, log)


def _ctest(report, kernels, options):
    """Runs ctest, reports what passes, returns (name, ctest's name, status, seconds, output) of what fails."""
    results = os.path.abspath(os.path.join("build", "test-logs", "unit.xml"))
    command = ["ctest", "--test-dir", "build/sanitize", "-j", JOBS, "--timeout", str(UNIT_TIMEOUT), "--output-junit", results, *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env={**os.environ, "COLINUX_TEST_KERNELS": kernels})
    for text in process.stdout:
        found = CTEST_RESULT.match(text)
        if found and found[3] == "Passed":
            report.result(_unit_name(found[1]), True, float(found[4]))
    process.wait()
    failed = []
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        if status == "notrun":
            report.say(f"skipped {_unit_name(name)}")
        elif status != "run":
            failed.append((_unit_name(name), name, status, float(case.get("time")), case.findtext("system-out")))
    return failed


def _unit_name(name):
    return "unit " + re.sub(r" +# GetParam.*", "", name)


def fuzz(report):
    if not report.build("sanitize", *_cmake("sanitize")):
        return
    runs = []
    for target in sorted(glob.glob("build/sanitize/tests/fuzz/fuzz_*")):
        name = os.path.basename(target)
        if os.access(target, os.X_OK) and os.path.isfile(target) and report.wants("fuzz " + name):
            corpus = os.path.join("build", "fuzz-corpus", name)
            os.makedirs(corpus, exist_ok=True)
            seeds = [folder for folder in (os.path.join("tests/fuzz/corpus", name),) if os.path.isdir(folder)]
            command = [target, f"-runs={FUZZ_RUNS}", f"-max_total_time={FUZZ_SECONDS}", f"-seed={FUZZ_SEED}", "-timeout=60",
                       f"-artifact_prefix=build/test-logs/{name}-", corpus, *seeds]
            runs.append(functools.partial(report.run, "fuzz " + name, command, FUZZ_TIMEOUT, again=False))
    _two_at_a_time(report, runs)


def _two_at_a_time(report, runs):
    """Calls each; what one raises is raised. After Ctrl-C none begins any more."""
    with concurrent.futures.ThreadPoolExecutor(int(JOBS)) as pool:
        try:
            for done in concurrent.futures.as_completed([pool.submit(run) for run in runs]):
                done.result()
        except BaseException:
            report.stop()
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def run_in_lab(report, jobs):
    """`jobs`: what the groups returned, {name: function that runs and reports it}."""
    began = time.monotonic()
    _two_at_a_time(report, [jobs[name] for name in sorted(jobs, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))])
    report.say(f"the lab: {len(jobs)} tests in {time.monotonic() - began:.0f} s")


def _images(path):
    """The guest images that a test asks for: made beforehand, since that takes minutes and is not the test's time."""
    with open(path) as file:
        return re.findall(r"^(?:guest|\./try .*--kernel) (6\.\S+)", file.read(), re.M)


def _scripts(report, group, folder):
    names = {f"{group} {os.path.basename(path)[:-5]}": os.path.abspath(path) for path in sorted(glob.glob(f"tests/{folder}/*.test"))}
    names = {name: path for name, path in names.items() if report.wants(name)}
    if not names or not build_all(report):
        return {}
    for image in sorted({image for path in names.values() for image in _images(path)}):
        if not report.build(f"image-{image}", ["tools/fetch-image", image]):
            return {}
    environment = {**os.environ, "COLINUX_TEST_SECONDS": str(SCRIPT_SECONDS)}
    return {name: functools.partial(report.run, name, [path], SCRIPT_SECONDS + SECONDS_TO_TELL, env=environment) for name, path in names.items()}


def payload(report):
    """Tiny guests on the bare driver."""
    return _scripts(report, "payload", "payloads")


def system(report):
    """Everything together, in the lab."""
    return _scripts(report, "system", "system")
