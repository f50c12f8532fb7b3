"""The fixed parts of the C files, for `str.format`; @comment@ and @header@ are put in last, as they are."""

from __future__ import annotations

HEADER = """@comment@
#ifndef L2SSM_MODEL_H
#define L2SSM_MODEL_H

typedef {real} l2ssm_real;

{sizes}

/* x is the state, w is scratch: only x is worth keeping. */
typedef struct {{
    l2ssm_real x[{states}];
    l2ssm_real w[{scratch}];
}} l2ssm_state;

/* The zero state. */
void l2ssm_reset(l2ssm_state *s);
{start}
/* One sample: y[L2SSM_N_Y] of u[L2SSM_N_U]. */
void l2ssm_step(l2ssm_state *s, const l2ssm_real *u, l2ssm_real *y);

#endif
"""

START = """
/* The state before the first of L2SSM_N_INIT measured samples, time first: u[k * L2SSM_N_U + i], y[k * L2SSM_N_Y + i].
   Step through these samples to come to the present. */
void l2ssm_start(l2ssm_state *s, const l2ssm_real *u, const l2ssm_real *y);
"""

SOURCE = """@comment@
#include <math.h>

#include "@header@"

{tables}

void l2ssm_reset(l2ssm_state *s)
{{
    int i;
    for (i = 0; i < {states}; i++) s->x[i] = 0;
}}

{functions}

#ifdef L2SSM_SELF_TEST
#include <stdio.h>

{test}
#endif
"""

TEST = """{tables}

static int fails(const char *name, l2ssm_state *s, const double *expected)
{{
    double worst = 0.0, apart;
    l2ssm_real y[L2SSM_N_Y];
    int i, k;
    for (k = 0; k < {samples}; k++) {{
        l2ssm_step(s, l2ssm_test_u + k * L2SSM_N_U, y);
        for (i = 0; i < L2SSM_N_Y; i++) {{
            apart = fabs((double)y[i] - expected[k * L2SSM_N_Y + i]);
            if (!(apart <= worst)) worst = apart;
        }}
    }}
    printf("%s: largest difference %g, limit %g\\n", name, worst, {limit});
    return !(worst <= {limit});
}}

int main(void)
{{
    static l2ssm_state s;
    int failed;
    l2ssm_reset(&s);
    failed = fails("from rest", &s, l2ssm_test_rest);
{started}    return failed;
}}"""

STARTED = """    l2ssm_start(&s, l2ssm_test_u, l2ssm_test_y);
    failed |= fails("from the start of a record", &s, l2ssm_test_started);
"""
