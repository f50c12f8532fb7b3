"""The errors l2ssm raises: all derive from `L2ssmError`, each message says what was wrong and what would be right."""

from __future__ import annotations


class L2ssmError(Exception):
    """Base of every error raised on purpose by l2ssm."""


class DataError(L2ssmError, ValueError):
    """Input/output data that cannot be used as given (shape, orientation, NaN, sampling, columns, ...)."""


class MissingDataError(DataError, FileNotFoundError):
    """A data file or benchmark is not on this machine; the message says where it was looked for."""


class RealizationError(L2ssmError, ValueError):
    """Matrices that do not make a system: wrong shapes, non-finite numbers, or unstable where stability is needed."""


class OptionError(L2ssmError, ValueError):
    """An option with a value that makes no sense (gamma <= 0, an unknown cell, ...); the message lists what does."""


class FitError(L2ssmError, RuntimeError):
    """Training could not produce a model (every step non-finite, nothing to fit, ...)."""


class ModelFileError(L2ssmError, ValueError):
    """A model file that cannot be read: truncated, of another schema, or with missing arrays."""


class ExportError(L2ssmError):
    """A model, or one named layer of it, that cannot be written in the form asked for, or is not proved there."""


class SolverError(L2ssmError, RuntimeError):
    """A numerical solver gave no usable answer (infeasible, inaccurate, unknown)."""


class CertificateError(L2ssmError):
    """A claim that is not proved: refuted, not verifiable, or about other numbers."""


class NotCertifiableError(CertificateError):
    """A model, or one named layer of it, has no finite gain that l2ssm can prove."""


class MalformedCertificateError(CertificateError):
    """A certificate file that cannot be read: not JSON, wrong schema, missing or ill-typed fields."""
