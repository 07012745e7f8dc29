// SPDX-License-Identifier: GPL-2.0
// PassageWindow: who gets which of its pages.
#include "tests/unit/core/core_test.hpp"

#include "core/arch/x86_64/world_switch.hpp"
#include "core/passage_window.hpp"

#include <cstring>

namespace colinux {

namespace {

using PassageWindowTest = CoreTest;

TEST_F(PassageWindowTest, FirstPageIsTheSwitchCode)
{
    EXPECT_EQ(std::memcmp(host().address_of(host().window.at(0)), world_switch_begin, world_switch_offsets.end), 0);
    EXPECT_EQ(PassageWindow::address(0), CO_PASSAGE_VIRT);
}

TEST_F(PassageWindowTest, PagesAreConsecutiveAndNobodyElses)
{
    unsigned first = PassageWindow::reserve(3).value(), second = PassageWindow::reserve(2).value();
    EXPECT_GE(first, 1u);
    EXPECT_EQ(second, first + 3);
    PassageWindow::release(first, 3);
    EXPECT_EQ(PassageWindow::reserve(4).value(), second + 2) << "three are not four";
    EXPECT_EQ(PassageWindow::reserve(3).value(), first);
    PassageWindow::release(first, 3 + 2 + 4);
}

TEST_F(PassageWindowTest, FullWindowIsAnError)
{
    unsigned all = CO_PASSAGE_WINDOW_PAGES - 1;
    EXPECT_FALSE(PassageWindow::reserve(all + 1));
    unsigned first = PassageWindow::reserve(all).value();
    Result<unsigned> one_more = PassageWindow::reserve(1);
    ASSERT_FALSE(one_more);
    EXPECT_EQ(one_more.error(), Error::NoMemory);
    PassageWindow::release(first, all);
}

TEST_F(PassageWindowTest, GuestsThatEndGiveTheirPagesBack)
{
    unsigned most = CO_PASSAGE_WINDOW_PAGES - 3, first = PassageWindow::reserve(most).value(); // room for one guest of two
    for (unsigned i = 0; i < 3; ++i)
        TestGuest guest{2};
    EXPECT_EQ(host().window.size(), 1u) << "the code";
    PassageWindow::release(first, most);
}

} // namespace

} // namespace colinux
