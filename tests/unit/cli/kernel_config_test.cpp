// SPDX-License-Identifier: GPL-2.0
// What a kernel's .config lacks.
#include "cli/kernel_config.hpp"

#include "control/failure.hpp"

#include <gtest/gtest.h>

#include <algorithm>

namespace colinux {
namespace {

std::string names_of(const std::vector<const KernelOption*>& options)
{
    std::string names;
    for (const KernelOption* option : options)
        names += std::string{option->names} + " ";
    return names;
}

// As the fragment asks for it, and what Kconfig selects by that.
std::string whole() { return config_fragment() + "CONFIG_X86_64=y\nCONFIG_PARAVIRT_XXL=y\nCONFIG_HVC_IRQ=y\nCONFIG_VIRTIO=y\n"; }

KernelConfig without(const std::string& line, const std::string& instead = "")
{
    std::string text = whole();
    text.replace(text.find(line), line.size(), instead);
    return KernelConfig::parse(text, "c");
}

ExitCode code_of(const std::string& text)
{
    try {
        KernelConfig::parse(text, "c");
    } catch (const Failure& failure) {
        return failure.code();
    }
    return ExitCode::Success;
}

TEST(KernelConfig, OfTheFragmentNothingIsMissing) { EXPECT_EQ(names_of(missing_options(KernelConfig::parse(whole(), "c"))), ""); }

TEST(KernelConfig, OptionThatIsNotSetIsMissing)
{
    EXPECT_EQ(names_of(missing_options(without("CONFIG_KALLSYMS_ALL=y", "# CONFIG_KALLSYMS_ALL is not set"))), "KALLSYMS_ALL ");
    EXPECT_EQ(names_of(missing_options(without("CONFIG_PARAVIRT_XXL=y", "CONFIG_PARAVIRT_XXL=n"))), "PARAVIRT_XXL ");
}

TEST(KernelConfig, ModuleIsEnoughForADriverOnly)
{
    EXPECT_EQ(names_of(missing_options(without("CONFIG_9P_FS=y", "CONFIG_9P_FS=m"))), "");
    EXPECT_EQ(names_of(missing_options(without("CONFIG_TTY=y", "CONFIG_TTY=m"))), "TTY ");
}

TEST(KernelConfig, ModulesAreThoseThatAreNone)
{
    KernelConfig config = without("CONFIG_9P_FS=y", "CONFIG_9P_FS=m");
    EXPECT_EQ(wanted_modules(&config), std::vector<std::string>{"9p"});
    EXPECT_TRUE(std::ranges::count(wanted_modules(nullptr), "overlay"));
}

TEST(KernelConfig, EitherNameOfAnOptionCounts)
{
    KernelConfig old_name = without("CONFIG_MITIGATION_RETHUNK=y\n"), new_name = without("CONFIG_RETHUNK=y\n");
    EXPECT_EQ(names_of(missing_options(old_name)) + names_of(missing_options(new_name)), "");
}

TEST(KernelConfig, SomethingElseIsRefused)
{
    EXPECT_EQ(code_of("hello\n"), ExitCode::KernelUnfit);
    EXPECT_EQ(code_of("# CONFIG_SMP is not set\nCONFIG_=\n"), ExitCode::KernelUnfit);
    EXPECT_EQ(code_of("CONFIG_SMP=y"), ExitCode::Success);
    EXPECT_THROW(KernelConfig::read("/nowhere/.config"), Failure);
}

} // namespace
} // namespace colinux
