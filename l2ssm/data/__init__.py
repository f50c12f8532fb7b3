"""Records of experiments: containers, readers, benchmarks, excitation signals, plants; numpy and scipy only."""

from __future__ import annotations

from l2ssm.data import plants, signals
from l2ssm.data.benchmarks import Benchmark, benchmark
from l2ssm.data.dataset import Dataset
from l2ssm.data.read import read
from l2ssm.data.record import Record
from l2ssm.data.summary import Statistics

__all__ = ["Benchmark", "Dataset", "Record", "Statistics", "benchmark", "plants", "read", "signals"]
