// Reads a profile from standard input, has libseccomp compile it for the native architecture and writes the BPF to
// standard output. First the default action; then lines "action number conditions", each condition followed by
// "argument operator a b". Exits with 3 when libseccomp refuses a rule.
#include <inttypes.h>
#include <seccomp.h>
#include <stdio.h>
#include <unistd.h>

int main(void)
{
	unsigned fallback, action, count;
	int number;

	if (scanf("%u", &fallback) != 1)
		return 2;
	scmp_filter_ctx ctx = seccomp_init(fallback);
	while (scanf("%u %d %u", &action, &number, &count) == 3) {
		struct scmp_arg_cmp args[6];
		for (unsigned i = 0; i < count && i < 6; i++) {
			unsigned op;
			if (scanf("%u %u %" SCNu64 " %" SCNu64, &args[i].arg, &op, &args[i].datum_a, &args[i].datum_b) != 4)
				return 2;
			args[i].op = op;
		}
		if (seccomp_rule_add_array(ctx, action, number, count, args) < 0)
			return 3;
	}
	return seccomp_export_bpf(ctx, STDOUT_FILENO) < 0 ? 4 : 0;
}
