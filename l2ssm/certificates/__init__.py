"""What is proved: L2 gains of frozen models, searched for in floats, proved in rigorous arithmetic, kept in a file.

Trusted: `rigorous` (what an arithmetic is), `certificate` and `document` (reading), `verify`; the theorems
`bounded_real`, `static_gain`, `constraints`, `flatten`, `joint`; one of the arithmetics `balls`, `midrad`, `rational`.
With them `systems` says what the numbers mean, and `statement` what the sentences say. Everything else only searches:
`compose` (certify) and what it calls; `falsify` does from the other side.
"""
