"""What is proved: L2 gains of frozen models, searched for in floats, proved in ball arithmetic, kept in a file.

Trusted, under 500 lines of code: `rigorous` (balls), `bounded_real` (formulas), `certificate` and `document` (reading),
`verify`; with them `systems` says what the numbers mean, and `statement` what the sentences say. Everything else only
searches: `compose` (certify), `cauchy`, `riccati`, `lmi`, `smallest`, `scaling`; `falsify` does from the other side.
"""
