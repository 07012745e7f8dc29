// SPDX-License-Identifier: GPL-2.0
// `colinux doctor` on machines that are not here.
#include "cli/doctor.hpp"

#include <colinux/abi.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <set>

namespace colinux {
namespace {

HostFacts healthy()
{
    HostFacts facts;
    facts.root = true;
    facts.architecture = "x86_64";
    facts.kernel_release = "6.1.0-56-amd64";
    facts.headers = true;
    facts.cpu_flags = " fxsr nx constant_tsc nonstop_tsc ";
    facts.cpus = 2;
    facts.available_bytes = 4ull << 30;
    facts.driver_file = facts.device_node = true;
    facts.driver_version = CO_ABI_VERSION;
    facts.grafts = {"6.1.0-56-amd64"};
    return facts;
}

Finding find(const HostFacts& facts, const std::string& code)
{
    std::vector<Finding> findings = examine(facts);
    auto found = std::ranges::find(findings, code, &Finding::code);
    return found == findings.end() ? Finding{"absent", Finding::Level::Ok, "", ""} : *found;
}

TEST(Doctor, HealthyMachineHasNoFinding)
{
    std::vector<Finding> findings = examine(healthy());
    EXPECT_TRUE(std::ranges::all_of(findings, [](const Finding& finding) { return finding.level == Finding::Level::Ok; }));
}

TEST(Doctor, EveryTroubleHasACure)
{
    HostFacts facts;
    facts.lockdown = "integrity";
    facts.signatures_enforced = facts.secure_boot = true;
    for (const Finding& finding : examine(facts))
        EXPECT_EQ(finding.cure.empty(), finding.level == Finding::Level::Ok) << finding.code;
}

TEST(Doctor, CodesAreUnique)
{
    HostFacts facts = healthy();
    facts.refusals = ~0u;
    std::set<std::string> codes;
    for (const Finding& finding : examine(facts))
        EXPECT_TRUE(codes.insert(finding.code).second) << finding.code;
}

TEST(Doctor, RealTimeHostIsNamedWithoutADriver)
{
    HostFacts facts = healthy();
    facts.driver_version.reset();
    facts.real_time = true;
    EXPECT_EQ(find(facts, "preempt-rt").level, Finding::Level::Problem);
}

TEST(Doctor, HostThatWasToldNotToTrustItsTscIsNamedWithoutADriver)
{
    HostFacts facts = healthy();
    EXPECT_EQ(find(facts, "tsc-unstable").level, Finding::Level::Ok);
    facts.driver_version.reset();
    facts.kernel_arguments = "quiet tsc=unstable";
    EXPECT_EQ(find(facts, "tsc-unstable").level, Finding::Level::Problem);
}

TEST(Doctor, DriverThatIsBuiltButNotLoaded)
{
    HostFacts facts = healthy();
    facts.device_node = false;
    facts.driver_version.reset();
    Finding finding = find(facts, "no-driver");
    EXPECT_EQ(finding.level, Finding::Level::Problem);
    EXPECT_EQ(finding.cure, "modprobe colinux");
}

TEST(Doctor, HeadersMatterOnlyWithoutADriver)
{
    HostFacts facts = healthy();
    facts.headers = false;
    EXPECT_EQ(find(facts, "no-headers").level, Finding::Level::Ok);
    facts.device_node = facts.driver_file = false;
    EXPECT_EQ(find(facts, "no-headers").level, Finding::Level::Problem);
}

TEST(Doctor, LockdownKeepsTheDriverOutOnlyBeforeItIsLoaded)
{
    HostFacts facts = healthy();
    facts.lockdown = "integrity";
    EXPECT_EQ(find(facts, "lockdown").level, Finding::Level::Ok);
    facts.device_node = false;
    EXPECT_EQ(find(facts, "lockdown").level, Finding::Level::Problem);
}

TEST(Doctor, SecureBootNamesTheKeyThatDkmsSignsWith)
{
    HostFacts facts = healthy();
    facts.device_node = false;
    facts.secure_boot = facts.signatures_enforced = true;
    facts.lockdown = "integrity";
    for (const char* code : {"lockdown", "module-signature", "secure-boot"})
        EXPECT_EQ(find(facts, code).cure.find("mok.pub"), std::string::npos) << code;
    facts.dkms_key = "/var/lib/dkms/mok.pub";
    for (const char* code : {"lockdown", "module-signature", "secure-boot"})
        EXPECT_NE(find(facts, code).cure.find("mokutil --import /var/lib/dkms/mok.pub"), std::string::npos) << code;
}

TEST(Doctor, DriverOfAnotherVersion)
{
    HostFacts facts = healthy();
    facts.driver_version = 0;
    EXPECT_EQ(find(facts, "driver-version").level, Finding::Level::Problem);
}

TEST(Doctor, TheDriversRefusalWins)
{
    HostFacts facts = healthy();
    facts.refusals = CO_REFUSAL_FRED;
    EXPECT_EQ(find(facts, "fred").level, Finding::Level::Problem);
}

TEST(Doctor, RefusalOfANewerDriverIsNotLost)
{
    HostFacts facts = healthy();
    facts.refusals = 1u << 31;
    EXPECT_EQ(find(facts, "unknown-refusal").level, Finding::Level::Problem);
}

} // namespace
} // namespace colinux
