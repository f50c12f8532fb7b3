"""`frf`: the frequency response in the data, without a model: from periods where there are some, by Welch elsewhere."""

from __future__ import annotations

from l2ssm.analysis.frequency_response import FrequencyResponse
from l2ssm.analysis.periodic import period_of, periodic_response
from l2ssm.analysis.subject import records_of
from l2ssm.analysis.welch import welch_response
from l2ssm.data.dataset import Dataset
from l2ssm.data.record import Record
from l2ssm.errors import DataError, OptionError
from l2ssm.options import integer

WINDOWS = 16  # of Welch's method in all, where none is given, before overlapping
SHORTEST = 16  # samples


def frf(data: Dataset | Record, *, period: int | None = None, segment: int | None = None) -> FrequencyResponse:
    """H (F, n_y, n_u) of records with a periodic input (empirical transfer function), or by Welch's method (H1).

    Periodic: with U and Y the discrete Fourier transforms over whole periods, H = Y U^+ at the excited lines; the
    scatter over the periods is the noise. The records are in steady state (a settling period is cut off by the
    caller), and n_u inputs need as many different records.
    Otherwise: H1 = S_yu S_uu^-1 from Hann windows that overlap by half: unbiased where the noise is at the output and
    the windows are long against the memory of the system.

    Args:
        data: records with outputs.
        period: samples of one period; default what is found in the input, if it repeats exactly.
        segment: samples of one window of Welch's method, which is then used; default a sixteenth of all samples.

    Raises:
        DataError: no outputs, different dt or channels, too short for two periods or for enough windows, inputs that
            are not excited or cannot be told apart.
        OptionError: a period or a segment out of range, or both given.

    Source: Pintelon and Schoukens, System Identification: A Frequency Domain Approach, 2nd ed., sections 2.5 to 2.7;
    Bendat and Piersol, Random Data, 4th ed., section 9.2 (H1).
    """
    records = same_channels(data)
    if period is not None and segment is not None:
        raise OptionError("give period or segment, not both")
    if segment is not None:
        return welch_response(records, in_samples("segment", segment, records))
    found = period_of(records) if period is None else in_samples("period", period, records)
    if found is not None and found >= 4:
        return periodic_response(records, found)
    total, longest = sum(r.T for r in records), max(r.T for r in records)
    return welch_response(records, max(SHORTEST, min(total // WINDOWS, longest)))


def same_channels(data: Dataset | Record) -> list[Record]:
    """The records, all of one dt and of the same channels.

    Raises:
        DataError: no records, no outputs, or they differ.
    """
    records = records_of(data)
    if len({(r.dt, r.input_names, r.output_names) for r in records}) != 1:
        raise DataError(f"the {len(records)} records differ in dt or channels; analyse them one by one")
    return records


def in_samples(name: str, value: int, records: list[Record]) -> int:
    """The value, if it is a whole number of samples that fits into every record.

    Raises:
        OptionError: it is not.
    """
    shortest = min(r.T for r in records)
    if integer(name, value, 4) > shortest:
        raise OptionError(f"{name} is {value}, expected at most {shortest} samples, the shortest record")
    return int(value)
