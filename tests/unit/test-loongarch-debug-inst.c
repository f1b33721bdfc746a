/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Unit test of target/loongarch/kvm/debug-inst.c: a KVM that cannot debug
 * guests is refused with a sentence that names the kernel that can.
 */

#include <errno.h>
#include <glib.h>

#include "target/loongarch/kvm/debug-inst.h"

static void test_good(void)
{
    g_assert_null(loongarch_debug_inst_trouble(0, 0x002b8101));
}

static void refused(int err, uint64_t word)
{
    const char *trouble = loongarch_debug_inst_trouble(err, word);

    g_assert_nonnull(trouble);
    g_assert_nonnull(strstr(trouble, "Linux 6.10"));
}

static void test_bad(void)
{
    refused(-EINVAL, 0);
    refused(-ENOENT, 0x002b8101);
    refused(0, 0);
    refused(0, 0x002a0005);                 /* a break */
    refused(0, 0x1002b8101);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/debug-inst/good", test_good);
    g_test_add_func("/debug-inst/bad", test_bad);
    return g_test_run();
}
