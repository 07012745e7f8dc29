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
import spec_checks
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
SPEC_SECONDS = 2400  # counting takes two minutes

FOLDERS = {"payload": "payloads", "system": "system", "bochs": "bochs"}

# Lab tests that take longest begin first, so that none is left over when the others are done
LONGEST = """
payload state
spec figures
system guest_faults
system kill_storm
system hardware_trace
system guest_power_off
system one_cpu
system try
system translated_code
system host_preemption
system nmi_boot
system guest_kill
system guest_kernels
system overcommit
system guest_gdb
system daemon_privileges
system memory_short
system ioctl_storm
system tracers
system nmi_hotplug
payload nmi_storm
system guest_ends
system guest_cpu_models
system two_guests
payload faults
system daemon_signals
system disk_busy
system guest_reboot
system guest_clock
system host_suspend
system scheduling
system one_cpu_shared
system cpu_hotplug
system descriptor_limit
payload write_side
payload stuck
payload vcpu_alone
system cpu_hotplug_watch
system guest_idle
system guest_logs
system guest_dump
system guest_hang
system guest_report
system start_interrupted
system stuck_daemon
system lab
payload hello
system mce
system legacy_drivers
system host_goes_down
system eight_cpus
payload debug_flood
system named_guests
system disk_content
system disk_kernel
system disk_snapshot
system image_import
system guest_exec
system guest_sleep
system filtered_writes
system tap
system first_vector
system host_kernels
""".strip().split("\n")


def _cmake(preset):
    return ["cmake", "--preset", preset], ["cmake", "--build", "--preset", preset, "-j", JOBS]


def build_tests(report):
    """Unit tests and fuzz targets: one build under the sanitizers."""
    return report.build("sanitize", *_cmake("sanitize"))


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
    if not build_tests(report):
        return
    kernels, again = _test_kernels(), []
    for name, ctest_name, status, seconds, said in _ctest(report, kernels, _ctest_filter(report)):
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


def unit_once(report, options, suffix):
    """The unit tests, each once, with more options of ctest; `suffix` is put behind each name."""
    for name, _, status, seconds, said in _ctest(report, _test_kernels(), [*options, *_ctest_filter(report)], suffix):
        log = report.log_path(name)
        with open(log, "w") as file:
            file.write(said or status)
        report.result(name, False, seconds, log)


def _test_kernels():
    return subprocess.run(["tools/test-kernels"], stdout=subprocess.PIPE, text=True).stdout.strip()


def _ctest_filter(report):
    return ["-R", re.escape(report.name_filter)] if report.name_filter else []


def _ctest(report, kernels, options, suffix=""):
    """Runs ctest, reports what passes, returns (name, ctest's name, status, seconds, output) of what fails."""
    results = os.path.abspath(os.path.join("build", "test-logs", "unit.xml"))
    command = ["ctest", "--test-dir", "build/sanitize", "-j", JOBS, "--timeout", str(UNIT_TIMEOUT), "--output-junit", results, *options]
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                               errors="replace", env={**os.environ, "COLINUX_TEST_KERNELS": kernels})
    for text in process.stdout:
        found = CTEST_RESULT.match(text)
        if found and found[3] == "Passed":
            report.result(_unit_name(found[1]) + suffix, True, float(found[4]))
    process.wait()
    failed = []
    for case in xml.etree.ElementTree.parse(results).getroot().iter("testcase"):
        name, status = case.get("name"), case.get("status")
        if status == "notrun" and not name.endswith("_NOT_BUILT"):
            report.say(f"skipped {_unit_name(name)}")
        elif status != "run":
            failed.append((_unit_name(name) + suffix, name, status, float(case.get("time")), case.findtext("system-out")))
    return failed


def _unit_name(name):
    return "unit " + re.sub(r" +# GetParam.*", "", name)


def fuzz_targets(report):
    targets = [target for target in sorted(glob.glob("build/sanitize/tests/fuzz/fuzz_*")) if os.access(target, os.X_OK) and os.path.isfile(target)]
    return [target for target in targets if report.wants("fuzz " + os.path.basename(target))]


def fuzz_command(target, options):
    name = os.path.basename(target)
    corpus = os.path.join("build", "fuzz-corpus", name)
    os.makedirs(corpus, exist_ok=True)
    seeds = [folder for folder in (os.path.join("tests/fuzz/corpus", name),) if os.path.isdir(folder)]
    return [target, "-timeout=60", f"-artifact_prefix=build/test-logs/{name}-", *options, corpus, *seeds]


def fuzz(report):
    if not build_tests(report):
        return
    options = [f"-runs={FUZZ_RUNS}", f"-max_total_time={FUZZ_SECONDS}", f"-seed={FUZZ_SEED}"]
    two_at_a_time(report, [functools.partial(report.run, "fuzz " + os.path.basename(target), fuzz_command(target, options), FUZZ_TIMEOUT, again=False)
                           for target in fuzz_targets(report)])


def two_at_a_time(report, runs):
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
    two_at_a_time(report, [jobs[name] for name in sorted(jobs, key=lambda name: LONGEST.index(name) if name in LONGEST else len(LONGEST))])
    report.say(f"the lab: {len(jobs)} tests in {time.monotonic() - began:.0f} s")


def _images(path):
    """The guest images that a test asks for: made beforehand, since that takes minutes and is not the test's time."""
    with open(path) as file:
        return re.findall(r"^(?:guest|\./try .*--kernel) (6\.\S+)", file.read(), re.M)


def lab_scripts(report, groups=("payload", "system")):
    """{name: path} of the lab's tests."""
    found = {f"{group} {os.path.basename(path)[:-5]}": path for group in groups for path in sorted(glob.glob(f"tests/{FOLDERS[group]}/*.test"))}
    return {name: path for name, path in found.items() if report.wants(name)}


def prepare_lab(report, scripts):
    """Builds what `scripts` ({name: path}) need. Returns whether that went well."""
    return not scripts or build_all(report) and all(report.build(f"image-{image}", ["tools/fetch-image", image])
                                                    for image in sorted({image for path in scripts.values() for image in _images(path)}))


def run_script(report, name, path, environment=None, again=True):
    """Runs and reports one test in the lab."""
    environment = {**os.environ, "COLINUX_TEST_SECONDS": str(SCRIPT_SECONDS), **(environment or {})}
    return report.run(name, [os.path.abspath(path)], SCRIPT_SECONDS + SECONDS_TO_TELL, again, env=environment)


def _scripts(report, group):
    scripts = lab_scripts(report, (group,))
    return {name: functools.partial(run_script, report, name, path) for name, path in scripts.items()} if prepare_lab(report, scripts) else {}


def payload(report):
    """Tiny guests on the bare driver."""
    return _scripts(report, "payload")


def system(report):
    """Everything together, in the lab."""
    return _scripts(report, "system")


def bochs(report):
    """The switch on a second implementation of the CPU. Not among "all"."""
    return _scripts(report, "bochs") if report.build("bochs", ["tools/setup", "tests/bochs/packages.txt"]) else {}


def spec(report):
    """The promises of docs/SPECIFICATION.md, counted in the lab."""
    with open(spec_checks.DOCUMENT) as document:
        text = document.read()
    wanted = any(report.wants("spec " + name) for name in ("figures", *spec_checks.promises(text)))
    return {"spec figures": functools.partial(_count_promises, report, text)} if wanted and build_all(report) else {}


def _count_promises(report, text):
    if not report.run("spec figures", ["bench/spec"], SPEC_SECONDS):
        return
    with open(report.log_path("spec figures")) as log:
        said = log.read()
    for name, kept, words in spec_checks.check(text, said):
        if report.wants("spec " + name):
            report.result(f"spec {name}: {words}", kept)
